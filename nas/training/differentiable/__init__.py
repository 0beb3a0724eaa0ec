"""What trainers with architecture parameters or thresholds are made of."""
