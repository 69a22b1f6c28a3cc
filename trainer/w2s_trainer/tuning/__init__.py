"""The tuning engine: a student is trained to weak labels, in plain PyTorch."""
