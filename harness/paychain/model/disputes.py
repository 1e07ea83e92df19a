"""Who reports chargebacks to merchants: an issuer has no webhooks, who acquired a payment has.

issuer ── dispute ──▶ processor ── webhook ──▶ gateway
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from paychain.model.lifecycle import Disputes, Webhooks
from paychain.model.links_behind import Calling, behind
from paychain.model.service import OwnService

DISPUTE = "dispute"  # the operation: it is no payment's, so no vendor's API has it


class Reporter(Calling, Protocol):
    """A link, as far as chargebacks are concerned."""

    @property
    def disputes(self) -> Disputes | None:
        """Of an issuer: what cardholders dispute."""

    @property
    def webhooks(self) -> Webhooks | None:
        """To whom it sends any."""

    @property
    def service(self) -> OwnService | None:
        """None: it is a mock."""


def reporters_of(links: Mapping[str, Reporter], issuer: str) -> list[str]:
    """The links that report an issuer's chargebacks: mocks in front of it with webhooks.

    None where the issuer has no disputes.
    """
    if links[issuer].disputes is None:
        return []
    return [
        name
        for name, link in links.items()
        if link.webhooks is not None
        and link.service is None
        and issuer in behind(links, name, "authorise")
    ]
