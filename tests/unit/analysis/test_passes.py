"""The passes over own services' records: a further one sees what those before it left."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.analysis.attribution import observe
from paychain.analysis.attribution.own_run import OwnRun
from paychain.model.chain import Chain
from paychain.payments.journal import Decision, DecisionKind, HopRecord
from tests.support.chains import checked, shop
from tests.support.observed_runs import CHAIN, A, B, ObservedRun, decisions


@pytest.mark.parametrize(
    ("chain", "expected"),
    [(CHAIN, [{"customer", "shop"}, {DecisionKind.RETRY}]), (checked(shop()), [])],
    ids=["an own service", "mocks"],
)
def test_a_further_pass_sees_what_the_others_made_of_own_services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chain: Chain, expected: list[set[str]]
) -> None:
    seen: list[set[str]] = []

    def look(run: OwnRun) -> None:
        seen.append({hop.caller for hop in run.store.rows(HopRecord)})
        seen.append({decision.kind for decision in run.store.rows(Decision)})

    monkeypatch.setattr(observe, "PASSES", (*observe.PASSES, look))
    run = ObservedRun()
    run.pay("p1", 1.0, 5.0)
    run.sent(1.1, 0.5, ended_by="client", payment="p1", key="k1")
    run.asked("p1", 2.0, key="k1")
    run.store(tmp_path, chain)
    assert seen == expected


def test_a_failover_is_decided_by_the_refusal_that_only_an_earlier_pass_concludes(
    tmp_path: Path,
) -> None:
    run = ObservedRun()
    run.is_down(f"shop.authorise.{A}", 0.5, 5.0)
    run.pay("p1", 1.0)
    run.asked("p1", 1.2, to=B)
    (failover,) = decisions(run.store(tmp_path), "p1")
    assert (failover.kind, failover.detail) == (DecisionKind.FAILOVER, "refused")
