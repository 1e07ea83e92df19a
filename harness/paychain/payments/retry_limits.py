"""How often a declined card may be presented again before the scheme charges for it.

The same count serves the policy that must keep the limits and the money rule that checks them.
Source: docs/domain.md §1.6; data/retry_limits.yaml has each limit's own source and confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

import msgspec

from paychain.payments.codes import Confidence, lookup
from paychain.payments.packaged import packaged_yaml

DAY_NS = 86_400 * 1_000_000_000


class RetryLimit(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One limit of one scheme, a line of data/retry_limits.yaml.

    `most` is the largest number allowed within `days`; `categories` are Visa's decline categories,
    none means any decline.
    """

    id: str
    scheme: str
    counts: Literal["reattempts", "declines"]
    per: Literal["card", "card_and_merchant", "card_merchant_and_amount"]
    categories: list[int]
    most: int
    days: int
    in_force: bool
    effective: str
    source: str
    confidence: Confidence
    calendar_day: bool = False

    @property
    def declines(self) -> int:
        """Declines after which the card may not be presented again within the limit's days."""
        return self.most + 1 if self.counts == "reattempts" else self.most


class Presentation(msgspec.Struct, frozen=True):
    """One declined presentation of a card. `at_ns` counts from any epoch that is a midnight."""

    code: str
    at_ns: int
    merchant: str
    amount_minor: int


class _Limits(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    limits: list[RetryLimit]


@cache
def retry_limits(scheme: str) -> tuple[RetryLimit, ...]:
    """The limits in force at a scheme; none for a scheme without known limits."""
    return tuple(limit for limit in _limits() if limit.scheme == scheme and limit.in_force)


@cache
def _limits() -> list[RetryLimit]:
    return msgspec.convert(packaged_yaml(__package__, "data/retry_limits.yaml"), _Limits).limits


def forbids_reattempt(
    scheme: str, declined: Sequence[Presentation], *, now_ns: int, merchant: str, amount_minor: int
) -> RetryLimit | None:
    """The limit that another presentation of the card would break now; None when it is allowed.

    `declined` are the card's declined presentations so far, over all processors: a failover
    presents the same card to the same scheme. `now_ns` has the epoch of their `at_ns`.
    """
    for limit in retry_limits(scheme):
        counted = sum(
            _counts(
                limit, presentation, now_ns=now_ns, merchant=merchant, amount_minor=amount_minor
            )
            for presentation in declined
        )
        if counted >= limit.declines:
            return limit
    return None


def _counts(
    limit: RetryLimit, presentation: Presentation, *, now_ns: int, merchant: str, amount_minor: int
) -> bool:
    """Whether a declined presentation counts against a limit now."""
    # Mastercard counts by calendar day, so that a limit may be free again within minutes.
    if limit.calendar_day:
        is_recent = presentation.at_ns // DAY_NS == now_ns // DAY_NS
    else:
        is_recent = now_ns - presentation.at_ns < limit.days * DAY_NS
    known = lookup(presentation.code, limit.scheme)
    category = known.visa if known is not None else None
    return (
        is_recent
        and (not limit.categories or category in limit.categories)
        and (limit.per == "card" or presentation.merchant == merchant)
        and (limit.per != "card_merchant_and_amount" or presentation.amount_minor == amount_minor)
    )
