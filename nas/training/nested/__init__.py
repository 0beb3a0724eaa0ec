"""What trainers of nested sizes are made of: which sizes are drawn, and how small networks learn from large ones."""
