"""Payments as Locust sends them, and the process that does it."""
