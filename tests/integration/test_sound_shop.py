"""What the sound shop of the examples must not do, whoever is faster."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
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
