"""What may yet pay a page or an order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from paychain.protocol.vendor_attempts import Attempts


def backend(**states: str) -> Any:
    book = {name: SimpleNamespace(state=state) for name, state in states.items()}
    return SimpleNamespace(entry=book.get)


def test_an_attempt_may_be_approved_while_it_is_worked_on_or_at_the_issuer() -> None:
    attempts = Attempts()
    with attempts.working_on("a"), attempts.working_on("b"):
        assert attempts.begun(backend()) == ["a", "b"]
        assert attempts.begun(backend(), besides="b") == ["a"]
        assert attempts.begun(backend(a="not_authorised", b="authorised")) == []
    assert attempts.begun(backend()) == []
    assert attempts.begun(backend(a="in_flight")) == ["a"]


def test_a_repeat_that_ends_first_leaves_its_attempt_in_progress() -> None:
    attempts = Attempts()
    with attempts.working_on("a"):
        with attempts.working_on("a"):
            pass
        assert attempts.begun(backend()) == attempts.references == ["a"]
