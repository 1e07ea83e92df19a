"""Runs in which customers pay an own service: by a template, by a class, over edges."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import paychain
from paychain.testing.chain import start_chain
from tests.support.cli import paychain as run_paychain
from tests.support.own_chains import own_shop
from tests.support.runs import declare, result_in, result_of
from tests.support.tiers import thorough

PAYS: dict[str, Any] = {
    "request": {
        "path": "/orders",
        "json": {
            "payment": "{payment}",
            "amount_minor": "{amount_minor}",
            "currency": "{currency}",
            "merchant": "{merchant}",
            "instrument": {"number": "{card.number}", "scheme": "{card.scheme}"},
        },
    },
    "approved": {"status": 201, "where": {"state": "paid"}, "amount": "charged"},
    "declined": {"status": 402, "where": {"state": "refused"}, "code": "reason"},
}
QUICK = """\
experiment: quick
load: {arrivals: 20/s, warm_up: 0s, before: 1s, after: 0s}
tolerances: {}
"""
EDGES = {
    "cdn": {"role": "edge", "forwards_to": "waf"},
    "waf": {"role": "edge", "forwards_to": "shop"},
}
ADAPTER = """
class Shop:
    async def pay(self, payment, http):
        answer = await http.post("/orders", json={"payment": payment.id})
        return payment.approved(answer.json["missing"])
"""


OWN_REPLY = """
from paychain.protocol.reply import Reply

class Shop:
    async def pay(self, payment, http):
        return Reply("approved")
"""


def declared(folder: Path, pays: dict[str, Any], *, behind_edges: bool = False) -> Path:
    links = EDGES if behind_edges else {}
    more = {"entry": "cdn"} if behind_edges else {}
    declare(folder, own=own_shop(shop={"pays": pays}, links=links, **more), quick=QUICK)
    return folder / "own.yaml"


def ran(folder: Path, pays: dict[str, Any], **more: Any) -> tuple[Path, dict[str, Any]]:
    chain = declared(folder, pays, behind_edges=more.pop("behind_edges", False))
    finished = paychain.run(str(chain), str(folder / "quick.yaml"), out=folder / "runs", **more)
    return finished.folder, result_in(finished.folder)


def ids_of(run: Path) -> set[str]:
    with closing(sqlite3.connect(run / "run.db")) as db:
        return {payment for (payment,) in db.execute("select payment from txn")}


@pytest.mark.slow
def test_a_shop_behind_edges_is_paid_under_ids_of_its_run(tmp_path: Path) -> None:
    run, result = ran(tmp_path, PAYS, behind_edges=True)
    assert (result["verdict"], result["reasons"]) == ("pass", [])
    assert result["phases"][0]["technical_success"] == 1.0
    (prefix,) = {payment[:5] for payment in ids_of(run)}
    assert re.fullmatch(r"p[0-9a-z]{3}[a-z]", prefix)


@pytest.mark.thorough  # a run, above, and another chain of a test, in test_own_runs.py
def test_customers_in_a_test_pay_under_ids_of_their_chain(tmp_path: Path) -> None:
    with start_chain(str(declared(tmp_path, PAYS)), real=True) as chain:
        first, second = chain.pay(2)
        assert (first.shown, second.shown) == ("approved", "approved")
        assert first.approved_minor == 2500
        assert re.fullmatch(r"p[0-9a-z]{3}[a-z]0000001", first.payment)
        assert chain.book("issuer") == {"authorised": "50.00 EUR"}


@pytest.mark.thorough  # a template, below, and test_pays_adapter.py for where a class failed
def test_a_class_that_fails_makes_the_run_inconclusive_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "adapters.py").write_text(ADAPTER)
    _, result = ran(tmp_path, {"by": "adapters.py:Shop"})
    assert result["verdict"] == "inconclusive"
    (reason,) = (reason for reason in result["reasons"] if "adapters.py" in reason)
    assert f"{tmp_path}/adapters.py:5: Shop.pay failed: KeyError: 'missing'" in reason


@pytest.mark.slow
def test_what_ends_a_customer_unexpectedly_is_a_reason_of_the_run(tmp_path: Path) -> None:
    """A reply of the class's own making, which nothing but its user's imagination checks."""
    (tmp_path / "adapters.py").write_text(OWN_REPLY)
    _, result = ran(tmp_path, {"by": "adapters.py:Shop"})
    assert result["verdict"] == "inconclusive"
    unexpected = "a customer ended with an error that nobody expected: AttributeError: "
    assert any(reason.startswith(unexpected) for reason in result["reasons"])


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, thorough(2)])
def test_a_template_that_fits_nothing_is_reported(tmp_path: Path, workers: int) -> None:
    # There the shop answers in our JSON, which the template does not describe.
    declared(tmp_path, {**PAYS, "request": {**PAYS["request"], "path": "/pay"}})
    words = ["run", "own.yaml", "quick.yaml", "--out", "runs"]
    words += ["--workers", str(workers)] if workers else []
    assert run_paychain(tmp_path, *words).exit_code == 3
    result = result_of(tmp_path)
    reasons = [reason for reason in result["reasons"] if "is approved or declined" in reason]
    assert 1 <= len(reasons) <= 6  # answers differ by their payments
    assert "own.yaml:" in reasons[0]
