"""The compliance document."""
