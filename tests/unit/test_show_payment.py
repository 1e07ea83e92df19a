"""A payment's story in the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.analysis.store import RunStore
from harness.cli.main import app
from harness.payments.errors import UserError
from harness.payments.journal import (
    Decision,
    DecisionKind,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
)
from harness.payments.outcome import HopResult, Outcome

MS = 1_000_000


def run_directory(folder: Path) -> Path:
    store = RunStore.create(folder / "run.db")
    store.ingest(
        [
            PaymentRecord(
                "p1", 100 * MS, 100 * MS, 900 * MS, Outcome.DECLINED, True, "91", "declined",
                1_050, "EUR", "visa", "424242…4242", "shop", "gateway", None, False,
            ),
            HopRecord(
                "p1", 1, "s2", "s1", "gateway", "authorise", "processor", 0, 1, 110 * MS,
                710 * MS, HopResult.TIMEOUT, "",
            ),
            Decision("gateway", DecisionKind.REVERSAL_SENT, 711 * MS, "p1", 1, "void",
                     "processor", "p1-1"),
            Decision("gateway", DecisionKind.FOLLOW_UP_SENT, 712 * MS, "p1", 1, "capture",
                     "processor", "p1-1 c1"),
            Movement("issuer", "p1", 1, MovementKind.AUTHORISED, 1_050, "EUR", "p1-1", 500 * MS,
                     "issuer"),
        ]
    )  # fmt: skip
    store.close()
    return folder


def test_a_story_has_every_call_decision_movement_and_what_was_told_in_order(
    tmp_path: Path,
) -> None:
    shown = CliRunner().invoke(app, ["show", "payment", str(run_directory(tmp_path)), "p1"])
    assert shown.exit_code == 0
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert lines == [
        "p1: 10.50 EUR at shop; told declined",
        "card 424242…4242",
        "",
        "10.0 ms ✗ processor gateway → processor authorise: timeout (600.0 ms)",
        "400.0 ms issuer authorised 10.50 EUR, p1-1",
        "611.0 ms ✗ gateway sent a reversal (processor): p1-1",
        "612.0 ms gateway capture sent (processor): p1-1 c1",
        "800.0 ms ✗ customer told: declined 91",
    ]


def test_a_payment_or_a_run_that_is_not_there_is_a_users_mistake(tmp_path: Path) -> None:
    runner = CliRunner()
    with pytest.raises(UserError, match="no payment 'p9'"):
        runner.invoke(
            app, ["show", "payment", str(run_directory(tmp_path)), "p9"], catch_exceptions=False
        )
    with pytest.raises(UserError, match=r"no run\.db"):
        runner.invoke(app, ["show", "payment", str(tmp_path / "x"), "p9"], catch_exceptions=False)


def test_a_payment_that_a_long_run_did_not_keep_is_told_apart_from_none(tmp_path: Path) -> None:
    store = RunStore.create(tmp_path / "run.db")
    store.set_meta("kept_one_in", 3)
    store.close()
    with pytest.raises(UserError, match="no payment 'p9'") as raised:
        CliRunner().invoke(app, ["show", "payment", str(tmp_path), "p9"], catch_exceptions=False)
    assert "kept one in 3" in str(raised.value.mend)
