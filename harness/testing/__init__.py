"""For tests of users: a chain within an ordinary pytest, experiment files as tests, exploration."""

from harness.testing.chain import ChainUnderTest, Payments, start_chain
from harness.testing.explore import broken_by, explore_chain, fault_schedules

__all__ = [
    "ChainUnderTest", "Payments", "broken_by", "explore_chain", "fault_schedules", "start_chain",
]  # fmt: skip
