"""Who reports charge-backs to merchants: an issuer has no webhooks, who acquired a payment has.

issuer ── dispute ──▶ processor ── webhook ──▶ gateway
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from paychain.model.lifecycle import Disputes, Webhooks
from paychain.model.policy import Call
from paychain.model.service import OwnService

DISPUTE = "dispute"  # the operation: it is no payment's, so no vendor's API has it


class Reporter(Protocol):
    """A link, as far as charge-backs are concerned."""

    @property
    def disputes(self) -> Disputes | None:
        """Of an issuer: what cardholders dispute."""

    @property
    def webhooks(self) -> Webhooks | None:
        """To whom it sends any."""

    @property
    def service(self) -> OwnService | None:
        """None: it is a mock."""

    @property
    def calls(self) -> Mapping[str, Call]:
        """By operation."""


def reporters_of(links: Mapping[str, Reporter], issuer: str) -> list[str]:
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


def _behind(links: Mapping[str, Reporter], link: str) -> set[str]:
    """The links that an authorisation may reach from a link on, cycles included."""
    found: set[str] = set()
    ahead = [link]
    while ahead:
        call = links[ahead.pop()].calls.get("authorise")
        targets = call.targets if call is not None else []
        ahead += [name for name in targets if name in links and name not in found]
        found.update(targets)
    return found
