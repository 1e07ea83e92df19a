"""A running chain: real processes, virtual time, other machines."""
