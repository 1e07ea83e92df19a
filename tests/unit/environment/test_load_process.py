"""A load process that ends: in order, before its time, or before its customers are answered."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from paychain.environment.load_process import LoadProcess
from paychain.load.traffic.plan import OfferedLoad
from paychain.processes.children import Child, Children
from paychain.processes.files import write_atomically

ENDS_NS, LATER_NS = 1_000, 2_000


def load_of(folder: Path, code: int | None, offered: OfferedLoad | None) -> LoadProcess:
    """A load process with an exit code, or that goes on, and what it last said of itself."""
    load = LoadProcess(Children(folder), folder, lambda stem, _: folder / stem)
    plan: Any = SimpleNamespace(offered=folder / "load.offered")
    if offered is not None:
        write_atomically(plan.offered, offered)
    process: Any = SimpleNamespace(poll=lambda: code, returncode=code)
    log = folder / "load-process.log"
    log.touch()
    load._plan, load._child = plan, Child("load process", process, log)
    load._ends_ns = ENDS_NS
    return load


def test_a_load_that_ended_in_order_lacks_nothing(tmp_path: Path) -> None:
    doubts = ["shop.yaml:7:3: an answer that is not declared"]
    load = load_of(tmp_path, 0, OfferedLoad(9, is_over=True, problems=doubts))
    assert load.problems(LATER_NS) == doubts
    assert load.incomplete == []


@pytest.mark.parametrize(
    ("code", "offered", "now_ns", "problem"),
    [
        (0, OfferedLoad(5, is_over=False), ENDS_NS - 1, "ended unexpectedly (exit code 0)"),
        (0, OfferedLoad(9, is_over=False), LATER_NS, "ended unexpectedly (exit code 0)"),
        (0, None, LATER_NS, "ended unexpectedly (exit code 0)"),
        (-9, OfferedLoad(9, is_over=True), LATER_NS, "ended unexpectedly (killed by signal 9)"),
        (None, OfferedLoad(9, is_over=False), LATER_NS, "did not end in time"),
    ],
)
def test_one_that_did_not_lacks_payments_that_customers_had_begun(
    tmp_path: Path, code: int | None, offered: OfferedLoad | None, now_ns: int, problem: str
) -> None:
    load = load_of(tmp_path, code, offered)
    (found,) = load.problems(now_ns)
    assert problem in found
    (why,) = load.incomplete
    assert why.startswith("the journal of the load process is incomplete: it ")
