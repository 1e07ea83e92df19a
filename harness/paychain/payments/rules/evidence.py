"""Evidence beside the books: stand-in approvals, and what the merchant's own service says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StoodIn:
    """One stand-in approval with the limits of its link. Amounts are minor units.

    It was the `nth` of the link, and the `nth_of_card` of the link for that card, both from 1.
    `most` and `per_card` are the limits on these numbers; None means no limit.
    """

    link: str
    reference: str
    amount_minor: int
    nth: int
    nth_of_card: int
    up_to_minor: int
    most: int | None
    per_card: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantsBook:
    """An order in the books of the merchant's own service.

    `amount_minor` is what it says was charged, 0 when it does not say.
    """

    link: str
    is_paid: bool
    amount_minor: int = 0
