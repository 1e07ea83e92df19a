"""Who reports charge-backs to merchants: an issuer has no webhooks, who acquired a payment has.

issuer ── dispute ──▶ processor ── webhook ──▶ gateway
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from paychain.model.policy import Call

DISPUTE = "dispute"  # the operation: it is no payment's, so no vendor's API has it


class LinkOfDispute(Protocol):
    """What is asked about a link of the chain."""

    @property
    def calls(self) -> Mapping[str, Call]:
        """Its calls by operation."""

    @property
    def disputes(self) -> object | None:
        """What its cardholders dispute."""

    @property
    def service(self) -> object | None:
        """It is the user's process and not a mock."""

    @property
    def webhooks(self) -> object | None:
        """Whom it sends webhooks to."""


def reporters_of(links: Mapping[str, LinkOfDispute], issuer: str) -> list[str]:
    """The links that report an issuer's charge-backs: mocks in front of it with webhooks.

    None where the issuer has no disputes.
    """
    if links[issuer].disputes is None:
        return []
    return [
        name
        for name, link in links.items()
        if link.webhooks is not None and link.service is None and issuer in _behind(links, name)
    ]


def _behind(links: Mapping[str, LinkOfDispute], link: str) -> set[str]:
    """The links that an authorisation may reach from a link on, cycles included."""
    found: set[str] = set()
    ahead = [link]
    while ahead:
        call = links[ahead.pop()].calls.get("authorise")
        targets = call.targets if call is not None else []
        ahead += [name for name in targets if name in links and name not in found]
        found.update(targets)
    return found
