"""`paychain load` when one of its processes dies: what was paid by then is kept."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.boards import board
from tests.support.processes import alive, child_of, children_of, needs_proc
from tests.support.runs import payments_are_under_way, result_of
from tests.support.tiers import thorough

pytestmark = [needs_proc, pytest.mark.slow]


@pytest.mark.parametrize(
    ("victim", "mark"),
    [
        ("fault engine", "paychain.toxics"),
        thorough(("mock services", "paychain.services")),
        thorough(("load process", "locust")),
    ],
)
def test_what_was_paid_until_a_process_died_is_kept(victim: str, mark: str, tmp_path: Path) -> None:
    with board(tmp_path, exit_code=3) as shown:
        assert shown.do(do="rate", rate=20).ok
        payments_are_under_way(tmp_path, at_least=10, out="reports")
        family = children_of(shown.process.pid)
        pid = child_of(shown.process.pid, mark)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        shown.process.exit_code()
    result = result_of(tmp_path, "reports")
    assert result["verdict"] == "inconclusive"
    assert result["load"]["recorded"] >= 10
    assert any(victim in reason for reason in result["reasons"]), result["reasons"]
    assert alive(family.values()) == []
