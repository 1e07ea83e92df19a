"""Findings about payouts over a ledger: signed twice, freed early."""

from __future__ import annotations

from collections.abc import Iterator

from paychain.model.chain import Chain
from paychain.model.review.finding import Found
from paychain.model.review.remedy import Change


def signed_twice(chain: Chain) -> Iterator[Found]:
    """Wallets that sign a transfer again, with the next nonce, when it has no answer."""
    for name, link in chain.links.items():
        if link.nonces != "each_try":
            continue
        key = ("links", name, "nonces")
        yield Found(
            kind="signed_twice",
            path=key,
            subject=f"link {name}",
            what=f"{name} signs a transfer without an answer again, with the next nonce",
            hint="send the same bytes again: a nonce is used once",
            remedy=Change(key, "one_per_payment"),
        )


def freed_early(chain: Chain) -> Iterator[Found]:
    """Reservations that are freed while their transfer can still be made."""
    for name, link in chain.links.items():
        if link.funding is None or link.funding.frees != "on_timeout":
            continue
        key = ("links", name, "funding", "frees")
        yield Found(
            kind="freed_early",
            path=key,
            subject=f"link {name}",
            what=f"{name} frees the reservation of a payout whose transfer has no answer",
            hint="keep it until the transfer is final or was declined",
            remedy=Change(key, "when_dead"),
        )
