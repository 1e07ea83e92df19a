"""Tests that only compute give way to real runs, whose verdicts depend on the clock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

GIVES_WAY = 10  # so much nicer than a real run is a test that computes
# How the ids of those tests begin.
COMPUTING = (
    "tests/integration/test_deposits.py",
    "tests/integration/test_matrix_runs.py",
    "tests/integration/test_node_runs.py",
    "tests/integration/test_payouts.py",
    "tests/integration/test_policy_chains.py",
    "tests/integration/test_sound_money.py",
    "tests/integration/test_status_checks.py",
    "tests/oracle/",
    "tests/unit/explore/test_explore",
    "tests/unit/explore/test_live_search.py",
    "tests/unit/protocol/test_endpoint_laws.py",
    "tests/unit/services/test_capacity.py",
)


def only_computes(test: str) -> bool:
    """Whether a test, by its id, judges nothing that took real time."""
    return test.startswith(COMPUTING)


@contextmanager
def giving_way() -> Iterator[None]:
    """This process gives way to others, where it may end that: as a rule only root may."""
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, usual + GIVES_WAY)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, usual)


def may_give_way() -> bool:
    """Whether this process can return to how nice it is."""
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, usual + 1)
        os.setpriority(os.PRIO_PROCESS, 0, usual)
    except OSError:
        return False
    return True
