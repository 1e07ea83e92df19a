"""Money rules: what must hold for every payment when all is done. Each is small and pure.

A rule takes one reconciled payment and gives a finding or None. Source: domain.md §2.5 (I1 to I13).
"""

from __future__ import annotations

from collections.abc import Callable

from harness.payments.rules import amounts, books, charges, conduct
from harness.payments.rules.reconciled import (
    Authorisation,
    Finding,
    Position,
    Reconciled,
    StoodIn,
    authorisations,
)

Rule = Callable[[Reconciled], Finding | None]

RULES: dict[str, tuple[str, Rule]] = {
    "no_double_charge": ("No double charge", charges.no_double_charge),
    "no_orphaned_authorisation": (
        "No orphaned authorisation",
        charges.no_orphaned_authorisation,
    ),
    "no_approval_without_money": ("No approval without money", charges.no_approval_without_money),
    "customer_told_the_amount": (
        "The customer was told what is held",
        charges.customer_told_the_amount,
    ),
    "amounts_equal": ("Amounts and currencies equal", amounts.amounts_equal),
    "captured_within_authorised": (
        "Captured at most what was authorised",
        amounts.captured_within_authorised,
    ),
    "refunded_within_captured": (
        "Refunded at most what was captured",
        amounts.refunded_within_captured,
    ),
    "money_conserved": ("Cardholder's debit is the merchant's credit", amounts.money_conserved),
    "books_agree": ("Books of all links agree", books.books_agree),
    "repeats_without_effect": ("Repeats without effect", books.repeats_without_effect),
    "unknowns_resolved": ("Unknown outcomes cleared up", conduct.unknowns_resolved),
    "authorisations_settled": (
        "Captures, refunds and advices done",
        conduct.authorisations_settled,
    ),
    "retry_limits_kept": ("Schemes' retry limits kept", conduct.retry_limits_kept),
    "no_authorisation_after_failed_authentication": (
        "No authorisation after a failed authentication",
        conduct.no_authorisation_after_failed_authentication,
    ),
    "stand_in_within_limits": ("Stand-in inside its limits", conduct.stand_in_within_limits),
    "stand_in_advised": ("Stand-in advised", conduct.stand_in_advised),
}

# What nothing that comes later can mend. Every other rule is about what is left when all is done.
AT_ANY_TIME = frozenset({
    "amounts_equal", "captured_within_authorised", "refunded_within_captured",
    "repeats_without_effect", "retry_limits_kept",
    "no_authorisation_after_failed_authentication", "stand_in_within_limits",
})  # fmt: skip

__all__ = [
    "AT_ANY_TIME", "RULES", "Authorisation", "Finding", "Position", "Reconciled", "Rule", "StoodIn",
    "authorisations",
]  # fmt: skip
