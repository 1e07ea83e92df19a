"""An own service captures in parts, and some of them fail: what is missing, counted by hand.

1,000 are held. Each capture is its amount and how it ended; the books have what was made.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paychain.analysis.money.findings import money
from tests.support.observed_runs import CHAIN, ObservedRun

MADE, REFUSED, LOST = "made", "refused", "lost"  # lost: without an answer, and not made
MADE_UNSEEN = "made unseen"  # without an answer, and made
_ANSWERS: dict[str, dict[str, Any]] = {
    MADE: {},
    REFUSED: {"status": 400, "result": "rejected"},
    LOST: {"status": 503, "result": "http_error"},
    MADE_UNSEEN: {"status": 503, "result": "http_error"},
}


def captured(*captures: tuple[int, str, str], then: str = "") -> ObservedRun:
    """A sale of 1,000 and its captures, one after the other: amount, end and key.

    `then`: the rest was voided, has expired, or what was captured was refunded (`refunded 300`).
    """
    run = ObservedRun()
    run.pay("p1", 1.0)
    run.asked("p1", 1.1, key="k")
    run.in_books("p1", 1.1, "authorised")
    made_minor = 0
    for number, (amount_minor, end, key) in enumerate(captures):
        at_s = 1.3 + number / 5
        more = {**_ANSWERS[end], "key": key, "captures_minor": amount_minor}
        run.asked("p1", at_s, operation="capture", **more)
        if end in (MADE, MADE_UNSEEN):
            made_minor += amount_minor
            run.in_books("p1", at_s, "captured", amount=amount_minor, item=f"c{number}")
    kind, _, amount = then.partition(" ")
    if kind:
        item = "r1" if kind == "refunded" else ""
        rest_minor = int(amount or 1_000 - made_minor)
        run.in_books("p1", 2.5, kind, amount=rest_minor, item=item)
    return run


_VARIANTS: dict[str, tuple[ObservedRun, dict[str, int]]] = {
    # The first part fails, and what follows has another amount: it is a part of its own.
    "first refused, another amount made": (
        captured((500, REFUSED, "a"), (300, MADE, "b")),
        {"completed": 500},
    ),
    "first lost, another amount made": (
        captured((500, LOST, "a"), (300, MADE, "b")),
        {"authorisations_settled": 500},
    ),
    # The same amount again takes its place: nothing says that the rest was wanted.
    "first refused, the same amount made": (
        captured((500, REFUSED, "a"), (500, MADE, "b")),
        {},
    ),
    "first lost and made by a repeat": (captured((500, LOST, "a"), (500, MADE, "a")), {}),
    "first made without an answer, then the rest": (
        captured((400, MADE_UNSEEN, "a"), (600, MADE, "b")),
        {},
    ),
    "two of three refused": (
        captured((500, REFUSED, "a"), (300, MADE, "b"), (200, REFUSED, "c")),
        {"completed": 700},
    ),
    # Beyond the hold: refused for its amount, and then all that is held is taken.
    "a tip refused, the whole made": (captured((1_150, REFUSED, "a"), (1_000, MADE, "b")), {}),
    "a tip refused, less than the whole made": (
        captured((1_150, REFUSED, "a"), (900, MADE, "b")),
        {"completed": 100},
    ),
    # What the service gives up and releases is no sale, and what expired was not collected.
    "first refused, the rest released": (
        captured((500, REFUSED, "a"), (300, MADE, "b"), then="voided"),
        {},
    ),
    "first refused, the rest expired": (
        captured((500, REFUSED, "a"), (300, MADE, "b"), then="expired"),
        {"completed": 500},
    ),
    # A refund gives back what was captured, and nothing of what was not.
    "first refused, the other one refunded": (
        captured((500, REFUSED, "a"), (300, MADE, "b"), then="refunded 300"),
        {"completed": 500},
    ),
    "last refused": (captured((300, MADE, "a"), (700, REFUSED, "b")), {"completed": 700}),
    "last lost, of what was left": (
        captured((300, MADE, "a"), (500, LOST, "b")),
        {"authorisations_settled": 500},
    ),
}


@pytest.mark.parametrize("variant", _VARIANTS)
def test_what_is_missing_of_parts(variant: str, tmp_path: Path) -> None:
    run, expected = _VARIANTS[variant]
    found = money(run.store(tmp_path), CHAIN)
    assert {rule.rule: rule.amount for rule in found.rules if rule.findings} == expected


@pytest.mark.parametrize(("second", "uncompleted"), [("refused", 2), ("made", 1)])
def test_payments_of_one_order_are_counted_each_as_uncompleted(
    second: str, uncompleted: int, tmp_path: Path
) -> None:
    """Two payments of an order: the capture of the first has no answer, and was not made."""
    run = ObservedRun()
    for name, at_s, end in (("p1", 1.0, LOST), ("p1r2", 3.0, second)):
        run.pay(name, at_s, order="o1")
        run.asked(name, at_s + 0.1, key=name)
        run.asked(name, at_s + 0.3, operation="capture", key=f"{name}c", **_ANSWERS[end])
        run.in_books(name, at_s + 0.1, "authorised")
        if end == MADE:
            run.in_books(name, at_s + 0.3, "captured", item="c1")
    assert money(run.store(tmp_path), CHAIN).uncompleted == uncompleted
