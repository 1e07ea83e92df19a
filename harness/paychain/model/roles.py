"""Every role of a link: what it may and must declare, and its part in the money.

A role is a line here and a module of the same name in `services/roles/`, which has its behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from paychain.payments.journal import Leg

Party = Literal["merchant", "scheme"]
_BOOK_LIMITS = ("overcapture", "checks_refunds")


@dataclass(frozen=True, kw_only=True)
class RoleFacts:
    """What is known of a role before any link runs.

    `settings`: keys of a link that not every role has. `needs`: the calls that it must declare.
    `only_forwards`: it passes bytes on and reads no payment. `takes_webhooks`: it may receive
    webhooks. `party`: for whom it acts, None for a role that matters to no rule about money.
    `settles`: for which leg its book is the truth. In: whether the customer's money is held or
    taken; out: whether the payee has got it. With another link's book that is only claimed
    (docs/domain.md §1.9).
    """

    settings: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    only_forwards: bool = False
    takes_webhooks: bool = False
    party: Party | None = None
    settles: Leg | None = None


ROLES: dict[str, RoleFacts] = {
    "edge": RoleFacts(only_forwards=True),
    "gateway": RoleFacts(
        settings=(
            "captures",
            "cancels",
            "refunds",
            "accepts_partial",
            "reauthentications",
            "deduplicates",
            "exponent",
            "expires_after",
            "price",
        ),
        needs=("authorise",),
        takes_webhooks=True,
        party="merchant",
    ),
    "service": RoleFacts(settings=("declines", "lookups"), takes_webhooks=True),
    "vault": RoleFacts(settings=("declines",)),
    "fraud": RoleFacts(settings=("declines", "screens")),
    "authentication": RoleFacts(settings=("declines", "outcomes", "challenge", "valid_for")),
    "processor": RoleFacts(
        settings=("declines", "webhooks", "expires_after", "duplicates", "exponent", *_BOOK_LIMITS),
        needs=("authorise",),
    ),
    "scheme": RoleFacts(
        settings=("declines", "expires_after", "exponent", *_BOOK_LIMITS),
        needs=("authorise",),
        party="scheme",
    ),
    "issuer": RoleFacts(
        settings=(
            "declines",
            "partial_approvals",
            "soft_declines",
            "disputes",
            "expires_after",
            "duplicates",
            *_BOOK_LIMITS,
        ),
        settles="in",
    ),
    "exchange": RoleFacts(settings=("funding", "credits", "pauses"), settles="in"),
    "wallet": RoleFacts(settings=("declines", "nonces", "replaces"), needs=("transfer", "read")),
    "depositor": RoleFacts(settings=("nonces",), needs=("transfer", "read", "forward")),
    "node": RoleFacts(settings=("churn", "lies"), needs=("transfer", "read")),
    "oracle": RoleFacts(settings=("prices",)),
    "bank": RoleFacts(settings=("declines", "holds", "rejected_credits"), settles="in"),
    "clearing": RoleFacts(settings=("rail",), needs=("transfer",)),
    "ledger": RoleFacts(settings=("blocks", "final", "pool", "asset"), settles="out"),
}


def roles_with(setting: str) -> list[str]:
    """The roles that have a setting; none for a setting that every role has."""
    return [name for name, facts in ROLES.items() if setting in facts.settings]


def restricted_settings() -> list[str]:
    """The keys of a link that not every role has."""
    return list(dict.fromkeys(key for facts in ROLES.values() for key in facts.settings))
