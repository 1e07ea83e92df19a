"""What real processes are told, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from paychain.environment.real import RealChain
from paychain.load.traffic.plan import LoadPlan
from paychain.load.traffic.planning import load_plan
from paychain.model.loading import load_chain, load_experiment
from paychain.payments.attribution import Expected
from paychain.payments.errors import PartLost
from tests.support.chains import experiment
from tests.support.own_chains import own_shop
from tests.support.runs import declare


class Told:
    """In place of the load's and the links' processes: what they are told, in order."""

    lead_s = 0.3

    def __init__(self) -> None:
        self.heard: list[str] = []

    def start(self, plan: LoadPlan) -> None:
        self.heard.append("start")

    def go(self, start_ns: int) -> None:
        self.heard.append("go")

    def expect(self, payments: Sequence[Expected]) -> None:
        self.heard.append(f"expect {len(payments)}")


def test_links_know_the_first_payments_before_the_load_may_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine it takes longer to tell them than the load takes to begin."""
    declare(tmp_path, own=own_shop(), calm=experiment(arrivals="10/s", before="2s", after="0s"))
    loaded = load_chain(str(tmp_path / "own.yaml"))
    calm = load_experiment(str(tmp_path / "calm.yaml"), loaded.model).model
    chain, told = RealChain(loaded, tmp_path, seed=1), Told()
    chain.addresses = {hop.name: ("127.0.0.1", 1) for hop in loaded.model.hops()}
    monkeypatch.setattr(chain, "_load", told)
    monkeypatch.setattr(chain, "_services", told)
    chain.begin_load(load_plan(loaded.model, calm, 1))
    planned = round(10 * calm.load_lasts)
    assert told.heard == ["start", f"expect {planned}", "go"]


def test_a_process_that_died_is_no_mistake_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(tmp_path, own=own_shop())
    chain = RealChain(load_chain(str(tmp_path / "own.yaml")), tmp_path, seed=1)
    dead = SimpleNamespace(exit_report=lambda: "the fault engine ended unexpectedly")
    monkeypatch.setattr(chain.children, "dead", lambda: [dead])
    with pytest.raises(PartLost, match="ended unexpectedly"):
        chain.check()
