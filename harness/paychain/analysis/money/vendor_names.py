"""What payment providers call the authorisations of findings, so that a team finds them again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from paychain.analysis.measures.measures import MoneyRule
from paychain.analysis.store.store import RunStore


def with_vendor_names(store: RunStore, rules: Sequence[MoneyRule]) -> list[MoneyRule]:
    """The same findings; each authorisation that a provider has a name for is followed by it.

    `p0000042-1 at issuer, stripe` becomes `p0000042-1 (stripe: pi_3Fx…) at issuer, stripe`.
    """
    payments = {found.payment for rule in rules for found in rule.payments}
    names = _names(store, payments)
    return [
        msgspec.structs.replace(
            rule,
            payments=[
                msgspec.structs.replace(
                    found, references=[_named(text, names) for text in found.references]
                )
                for found in rule.payments
            ],
        )
        if names
        else rule
        for rule in rules
    ]


def _names(store: RunStore, payments: Iterable[str]) -> dict[str, str]:
    """By our reference: the provider's link and its name for it."""
    found: dict[str, str] = {}
    for payment in payments:
        for reference, link, named in store.select(
            "SELECT DISTINCT reference, link, named FROM received "
            "WHERE payment = ? AND named != ''",
            (payment,),
        ):
            found[reference] = f"{link}: {named}"
    return found


def _named(text: str, names: Mapping[str, str]) -> str:
    reference, space, rest = text.partition(" ")
    return f"{reference} ({names[reference]}){space}{rest}" if reference in names else text
