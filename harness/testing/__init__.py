"""For tests of users: a chain within an ordinary pytest, and experiment files as tests."""

from harness.testing.chain import ChainUnderTest, Payments, start_chain

__all__ = ["ChainUnderTest", "Payments", "start_chain"]
