"""Every role of a link: what it may and must declare, and its part in the money.

A role is a line here and a module of the same name in `services/roles/`, which has its behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from paychain.payments.journal import Leg

Party = Literal["merchant", "scheme"]
_BOOK_LIMITS = ("overcapture", "checks_refunds", "query_limits")


@dataclass(frozen=True, kw_only=True)
class RoleFacts:
    """What is known of a role before any link runs.

    `settings`: keys of a link that not every role has. `needs`: the calls that it must declare.
    `serves`: the calls of other links that it answers; `asks`: those that it makes itself.
    `only_forwards`: it passes bytes on and reads no payment. `takes_webhooks`: it may receive
    webhooks. `rejects_unknown`: a request that it did not know when it was queried it rejects
    whenever it comes. `party`: for whom it acts, None for a role that matters to no rule about
    money. `settles`: for which leg its book is the truth. In: whether the customer's money is held
    or taken; out: whether the payee has got it. With another link's book that is only claimed
    (docs/domain.md §1.9).
    """

    settings: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    only_forwards: bool = False
    takes_webhooks: bool = False
    rejects_unknown: bool = False
    party: Party | None = None
    settles: Leg | None = None


ROLES: dict[str, RoleFacts] = {
    "edge": RoleFacts(asks=("forward",), serves=("forward",), only_forwards=True),
    "gateway": RoleFacts(
        asks=("serve", "tokenise", "screen", "authenticate", "quote", "authorise", "transfer"),
        serves=("forward",),
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
    "service": RoleFacts(serves=("serve",), settings=("declines", "lookups"), takes_webhooks=True),
    "vault": RoleFacts(serves=("tokenise",), settings=("declines",)),
    "fraud": RoleFacts(serves=("screen",), settings=("declines", "screens")),
    "authentication": RoleFacts(
        serves=("authenticate",), settings=("declines", "outcomes", "challenge", "valid_for")
    ),
    "processor": RoleFacts(
        asks=("authorise",),
        serves=("authorise",),
        settings=("declines", "webhooks", "expires_after", "duplicates", "exponent", *_BOOK_LIMITS),
        needs=("authorise",),
    ),
    "scheme": RoleFacts(
        asks=("authorise",),
        serves=("authorise",),
        settings=("declines", "expires_after", "exponent", *_BOOK_LIMITS),
        needs=("authorise",),
        party="scheme",
    ),
    "issuer": RoleFacts(
        serves=("authorise",),
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
    "exchange": RoleFacts(
        asks=("transfer", "read", "scan"),
        serves=("forward",),
        settings=("funding", "credits", "deposits_known_by", "pauses"),
        settles="in",
    ),
    "wallet": RoleFacts(
        asks=("transfer", "read"),
        serves=("transfer",),
        settings=(
            "declines",
            "nonces",
            "valid_until",
            "replaces",
            "checks_network",
            "checks_receipt",
        ),
        needs=("transfer", "read"),
    ),
    "depositor": RoleFacts(
        asks=("transfer", "read", "forward"),
        settings=("nonces", "valid_until", "checks_network"),
        needs=("transfer", "read", "forward"),
    ),
    "node": RoleFacts(
        asks=("transfer", "read", "scan"),
        serves=("transfer", "read", "scan"),
        settings=("churn", "lies"),
        needs=("transfer", "read"),
    ),
    "oracle": RoleFacts(serves=("quote",), settings=("prices",)),
    "bank": RoleFacts(
        asks=("transfer",),
        serves=("forward", "transfer"),
        settings=(
            "declines",
            "holds",
            "deemed",
            "recalls",
            "returns",
            "rejected_credits",
            "double_credits",
        ),
        rejects_unknown=True,
        settles="in",
    ),
    "clearing": RoleFacts(
        asks=("transfer",),
        serves=("transfer",),
        settings=("rail", "query_limits"),
        needs=("transfer",),
        rejects_unknown=True,
    ),
    "ledger": RoleFacts(
        serves=("transfer", "read", "scan"),
        settings=("blocks", "final", "messages", "pool", "asset"),
        settles="out",
    ),
}


def roles_with(setting: str) -> list[str]:
    """The roles that have a setting; none for a setting that every role has."""
    return [name for name, facts in ROLES.items() if setting in facts.settings]


def restricted_settings() -> list[str]:
    """The keys of a link that not every role has."""
    return list(dict.fromkeys(key for facts in ROLES.values() for key in facts.settings))


def roles_that(facts: Literal["serves", "asks"], operation: str) -> list[str]:
    """The roles that answer an operation, or ask others for it."""
    return [name for name, role in ROLES.items() if operation in getattr(role, facts)]
