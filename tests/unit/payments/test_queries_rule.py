"""Status queries sooner or more often than their rail permits."""

from __future__ import annotations

from typing import Any

import pytest

from paychain.payments.journal import HopRecord
from paychain.payments.outcome import HopResult
from paychain.payments.rules.conduct import asks_within_limits
from paychain.payments.rules.queries import queried_beyond
from paychain.payments.rules.reconciled import Reconciled

MS = 1_000_000
LIMITS = {"switch": (3_000 * MS, 2)}


def hop(operation: str, at_ms: int, **more: Any) -> HopRecord:
    values: dict[str, Any] = {
        "payment": "p1",
        "attempt": 1,
        "span": "s",
        "parent": "",
        "caller": "app",
        "operation": operation,
        "callee": "switch",
        "route": 0,
        "try_number": 1,
        "started_ns": at_ms * MS,
        "ended_ns": (at_ms + 5) * MS,
        "result": HopResult.UNKNOWN,
        "code": "",
    }
    return HopRecord(**{**values, **more})


SENT = hop("authorise", 100)
EARLY = "app queried switch 1.5 s after the request, which is permitted after 3 s"


@pytest.mark.parametrize(
    ("hops", "found"),
    [
        ([SENT], []),
        ([SENT, hop("query", 3_100), hop("query", 4_000)], []),
        # A caller counts from a moment before its record begins.
        ([SENT, hop("query", 3_099)], []),
        ([SENT, hop("query", 1_600)], [EARLY]),
        # A repeat of the request does not shorten the time: it is the first that counts.
        ([SENT, hop("authorise", 2_000), hop("query", 3_200)], []),
        # One that was never executed is no request yet.
        *(
            (
                [hop("authorise", 0, result=never), hop("authorise", 1_600), hop("query", 3_100)],
                [EARLY],
            )
            for never in (HopResult.REFUSED, HopResult.REJECTED, HopResult.NOT_TRIED)
        ),
        (
            [SENT, hop("query", 3_100), hop("query", 3_200), hop("query", 3_300)],
            ["app queried switch 3 times, which is permitted 2 times"],
        ),
        # What never came is no query, and each attempt has its own.
        ([SENT, *(hop("query", 200 + n, result=HopResult.REFUSED) for n in range(5))], []),
        ([SENT, *(hop("query", 200 + n, result=HopResult.NOT_TRIED) for n in range(5))], []),
        (
            [
                SENT,
                hop("authorise", 2_000, attempt=2),
                *(hop("query", 5_000 + n, attempt=1 + n % 2) for n in range(4)),
            ],
            [],
        ),
        # Others have no limits.
        ([hop("authorise", 0, callee="bank"), hop("query", 1, callee="bank")], []),
        # A query of what nobody sent cannot be too early.
        ([hop("query", 1)], []),
    ],
)
def test_queries_are_counted_from_the_request_for_each_attempt(
    hops: list[HopRecord], found: list[str]
) -> None:
    assert list(queried_beyond(hops, LIMITS)) == found
    payment = Reconciled(
        payment="p1",
        amount_minor=100,
        currency="INR",
        shown_approved=False,
        authorisations=[],
        queried_beyond=found,
    )
    finding = asks_within_limits(payment)
    assert (finding.text if finding else "") == ", ".join(found)
    assert finding is None or finding.amount_minor == 0
