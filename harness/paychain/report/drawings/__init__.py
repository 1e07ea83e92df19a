"""Drawings of a chain, of a run's time and of one payment."""
