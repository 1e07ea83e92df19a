"""Locust as the load engine: seeded arrivals, payments, and the customer's side of the record."""

from pathlib import Path

LOCUSTFILE = Path(__file__).parent / "locust" / "locustfile.py"
