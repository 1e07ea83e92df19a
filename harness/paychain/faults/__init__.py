"""What a fault is: its kinds, one module each, where it acts, and how it comes and goes."""
