"""A payment's timeline in the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from paychain.analysis.store.store import RunStore
from paychain.cli.main import app
from paychain.payments.errors import UserError
from paychain.payments.journal import (
    Decision,
    DecisionKind,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
)
from paychain.payments.outcome import HopResult, Outcome
from tests.support.recorded import Recorded

MS = 1_000_000


def run_directory(folder: Path) -> Path:
    store = RunStore.create(folder / "run.db")
    store.ingest(
        [
            PaymentRecord(
                payment="p1",
                intended_ns=100 * MS,
                started_ns=100 * MS,
                ended_ns=900 * MS,
                outcome=Outcome.DECLINED,
                technical=True,
                code="91",
                shown="declined",
                amount_minor=1_050,
                currency="EUR",
                scheme="visa",
                instrument="424242…4242",
                merchant="shop",
                decided_by="gateway",
                error=None,
                warm_up=False,
            ),
            HopRecord(
                payment="p1",
                attempt=1,
                span="s2",
                parent="s1",
                caller="gateway",
                operation="authorise",
                callee="processor",
                route=0,
                try_number=1,
                started_ns=110 * MS,
                ended_ns=710 * MS,
                result=HopResult.TIMEOUT,
                code="",
            ),
            Decision(
                link="gateway",
                kind=DecisionKind.REVERSAL_SENT,
                at_ns=711 * MS,
                payment="p1",
                attempt=1,
                operation="void",
                target="processor",
                detail="p1-1",
            ),
            Decision(
                link="gateway",
                kind=DecisionKind.FOLLOW_UP_SENT,
                at_ns=712 * MS,
                payment="p1",
                attempt=1,
                operation="capture",
                target="processor",
                detail="p1-1 c1",
            ),
            Movement(
                link="issuer",
                payment="p1",
                attempt=1,
                kind=MovementKind.AUTHORISED,
                amount_minor=1_050,
                currency="EUR",
                reference="p1-1",
                at_ns=500 * MS,
                decided_by="issuer",
            ),
        ]
    )
    store.close()
    return folder


def test_a_timeline_has_every_call_decision_movement_and_answer_in_order(
    tmp_path: Path,
) -> None:
    shown = CliRunner().invoke(app, ["show", "payment", str(run_directory(tmp_path)), "p1"])
    assert shown.exit_code == 0
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert lines == [
        "p1: 10.50 EUR at shop; customer saw declined",
        "card 424242…4242",
        "",
        "10.0 ms ✗ processor gateway → processor authorise: timeout (600.0 ms)",
        "400.0 ms issuer authorised 10.50 EUR, p1-1",
        "611.0 ms ✗ gateway sent a reversal (processor): p1-1",
        "612.0 ms gateway capture sent (processor): p1-1 c1",
        "800.0 ms ✗ customer saw declined 91",
    ]


def test_a_payment_or_a_run_that_is_not_there_is_a_users_mistake(tmp_path: Path) -> None:
    runner = CliRunner()
    with pytest.raises(UserError, match="no payment 'p9'"):
        runner.invoke(
            app, ["show", "payment", str(run_directory(tmp_path)), "p9"], catch_exceptions=False
        )
    with pytest.raises(UserError, match=r"no run\.db in .*; name a run directory"):
        runner.invoke(app, ["show", "payment", str(tmp_path / "x"), "p9"], catch_exceptions=False)


def test_a_payment_that_a_long_run_did_not_keep_is_distinguished_from_none(tmp_path: Path) -> None:
    run = Recorded()
    for number in range(4):  # 12 hops
        run.pay(number)
    store = run.store(tmp_path)
    store.close_thinned(seed=1, most_hops=4)
    with pytest.raises(UserError, match="no payment 'p9'") as raised:
        CliRunner().invoke(app, ["show", "payment", str(tmp_path), "p9"], catch_exceptions=False)
    assert "keeps only 1 in 3" in str(raised.value.hint)
