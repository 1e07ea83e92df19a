"""How often a declined card may be presented again before the scheme charges for it.

The same count serves the policy that must keep the limits and the money rule that checks them.
Source: domain.md §1.6; data/retry_limits.yaml has each limit's own source and confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Literal

import msgspec
import yaml

from harness.payments.codes import Confidence, lookup

DAY_NS = 86_400 * 1_000_000_000


class RetryLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One limit of one scheme. `categories` are Visa's; none means: any decline."""

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
    text = resources.files(__package__).joinpath("data/retry_limits.yaml").read_text("utf-8")
    loaded = msgspec.convert(yaml.safe_load(text), _Limits)
    return tuple(one for one in loaded.limits if one.scheme == scheme and one.in_force)


def forbids_reattempt(
    scheme: str, declined: Sequence[Presentation], *, now_ns: int, merchant: str, amount_minor: int
) -> RetryLimit | None:
    """The limit that another presentation of the card would break now, None when it may be tried.

    `declined` are the card's declined presentations so far. Limits are counted over all
    processors: a failover presents the same card to the same scheme.
    """
    for limit in retry_limits(scheme):
        counted = sum(_counts(limit, one, now_ns, merchant, amount_minor) for one in declined)
        if counted >= limit.declines:
            return limit
    return None


def _counts(
    limit: RetryLimit, one: Presentation, now_ns: int, merchant: str, amount_minor: int
) -> bool:
    if limit.calendar_day:
        is_recent = one.at_ns // DAY_NS == now_ns // DAY_NS
    else:
        is_recent = now_ns - one.at_ns < limit.days * DAY_NS
    known = lookup(one.code, limit.scheme)
    category = known.visa if known is not None else None
    return (
        is_recent
        and (not limit.categories or category in limit.categories)
        and (limit.per == "card" or one.merchant == merchant)
        and (limit.per != "card_merchant_and_amount" or one.amount_minor == amount_minor)
    )
