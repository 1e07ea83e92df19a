"""Digests, signatures and what verifies them."""
