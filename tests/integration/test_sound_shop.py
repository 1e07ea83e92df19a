"""What the sound shop of the examples must not do, whoever is faster."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.paths import ROOT


@pytest.mark.slow  # it imports the SDKs of two providers
def test_who_captures_while_another_one_writes_it_down_captures_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep comes when the return page has captured, and nothing is written down yet."""
    monkeypatch.syspath_prepend(ROOT / "examples" / "shop-python")
    monkeypatch.setenv("STRIPE_API_BASE", "http://127.0.0.1:9")
    monkeypatch.setenv("ADYEN_BASE", "http://127.0.0.1:9")
    monkeypatch.setenv("SHOP_DB", str(tmp_path / "shop.db"))
    app: Any = import_module("sound.app")
    captured: list[str] = []

    class Provider:
        def capture(self, _order: object, reference: str) -> None:
            captured.append(reference)

    finish = app.store.finish

    def finish_late(order: str, *values: str, **named: Any) -> None:
        app.capture_due(order)
        finish(order, *values, **named)

    monkeypatch.setitem(app.PROVIDERS, "stripe", Provider())
    monkeypatch.setattr(app.store, "finish", finish_late)
    app.store.begin("o-1", 9230, "EUR", "card")
    app.store.capture_from("o-1", "stripe", "pi_1")
    app.capture_due("o-1")
    assert captured == ["pi_1"]
    app.capture_due("o-1")
    assert captured == ["pi_1"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "done"),
    [
        ("succeeded", ["pi_1 is given back"]),
        ("requires_capture", ["pi_1 is cancelled"]),
        ("canceled", []),
    ],
)
def test_what_was_captured_although_it_was_denied_is_given_back(
    status: str, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "examples" / "shop-python")
    monkeypatch.setenv("STRIPE_API_BASE", "http://127.0.0.1:9")
    stripes: Any = import_module("sound.providers").Stripes()
    seen: list[str] = []

    class Intents:
        def retrieve(self, reference: str) -> Any:
            return SimpleNamespace(id=reference, status=status)

        def cancel(self, reference: str) -> Any:
            seen.append(f"{reference} is cancelled")
            return SimpleNamespace(id=reference, status="canceled")

    class Refunds:
        def create(self, params: dict[str, str], options: dict[str, str]) -> None:
            assert options["idempotency_key"] == "o-1-give-back"
            seen.append(f"{params['payment_intent']} is given back")

    stripes._intents, stripes._refunds = Intents(), Refunds()
    assert stripes.cancel({"id": "o-1"}, "pi_1") == "cancelled"
    assert seen == done


def test_a_capture_that_fails_later_is_sent_again_and_its_hold_is_cancelled_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "examples" / "shop-python")
    kept: Any = import_module("sound.store")
    store = kept.Store(str(tmp_path / "shop.db"))
    store.begin("o-1", 9230, "EUR", "card")
    store.attempt("o-1", "adyen", "held", "psp")
    store.capture_from("o-1", "adyen", "psp")
    store.finish("o-1", "paid", charged=9230, paid_at="psp")
    for failures in range(1, kept.MAX_REFUSALS + 1):
        store.capture_failed("psp")
        assert store.captures_due() == ["o-1"]
        assert store.order("o-1")["failures"] == failures  # it is sent under another key
        assert store.unresolved() == []
        store.finish("o-1", "paid", charged=9230, paid_at="psp")
    store.capture_failed("psp")
    assert (store.order("o-1")["state"], store.captures_due()) == ("refused", [])
    assert store.unresolved() == [("o-1", "adyen", "psp")]
