"""Locust as the load engine: seeded arrivals, payments, and the customer's side of the record."""
