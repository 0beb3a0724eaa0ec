"""What trainers that weigh all operators at once are made of."""
