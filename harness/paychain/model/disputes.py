"""Who reports charge-backs to merchants: an issuer has no webhooks, who acquired a payment has.

issuer ── dispute ──▶ processor ── webhook ──▶ gateway
"""

from __future__ import annotations

from typing import TYPE_CHECKING

DISPUTE = "dispute"  # the operation: it is no payment's, so no vendor's API has it

if TYPE_CHECKING:
    from paychain.model.chain import Chain


def reporters_of(chain: Chain, issuer: str) -> list[str]:
    """The links that report an issuer's charge-backs: mocks in front of it with webhooks.

    None where the issuer has no disputes.
    """
    if chain.links[issuer].disputes is None:
        return []
    return [
        name
        for name, link in chain.links.items()
        if link.webhooks is not None and link.service is None and issuer in _behind(chain, name)
    ]


def _behind(chain: Chain, link: str) -> set[str]:
    """The links that an authorisation may reach from a link on, cycles included."""
    found: set[str] = set()
    ahead = [link]
    while ahead:
        call = chain.links[ahead.pop()].calls.get("authorise")
        targets = call.targets if call is not None else []
        ahead += [name for name in targets if name in chain.links and name not in found]
        found.update(targets)
    return found
