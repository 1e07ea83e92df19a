"""Runs over many nodes: how each arrangement of them did, beside what a formula says of it."""
