"""For tests of users: a chain within an ordinary pytest, experiment files as tests, exploration.

Every pytest of an environment loads our plugin, and with it this module: so the names are imported
when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paychain.testing.chain import ChainUnderTest, Payments, start_chain
    from paychain.testing.explore import broken_by, explore_chain, fault_schedules

__all__ = [
    "ChainUnderTest",
    "Payments",
    "broken_by",
    "explore_chain",
    "fault_schedules",
    "start_chain",
]


def __getattr__(name: str) -> Any:
    if name in ("ChainUnderTest", "Payments", "start_chain"):
        from paychain.testing import chain

        return getattr(chain, name)
    if name in ("broken_by", "explore_chain", "fault_schedules"):
        from paychain.testing import explore

        return getattr(explore, name)
    raise AttributeError(f"module 'paychain.testing' has no attribute {name!r}")
