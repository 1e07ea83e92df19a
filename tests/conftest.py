from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.payments.journal import Movement, MovementKind


@pytest.fixture
def movement() -> Callable[..., Movement]:
    """A movement of 10.00 EUR, authorised by the issuer unless told otherwise."""

    def make(
        link: str,
        kind: str = "authorised",
        *,
        reference: str = "p1-1",
        amount: int = 1_000,
        decided_by: str = "issuer",
        item: str = "",
        currency: str = "EUR",
    ) -> Movement:
        return Movement(
            link, "p1", 1, MovementKind(kind), amount, currency, reference, 0, decided_by, item
        )

    return make
