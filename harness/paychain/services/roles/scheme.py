"""Scheme: the switch between acquirers and issuers; it may stand in for an issuer."""

from __future__ import annotations

from paychain.services.roles.relay import Relay


class Scheme(Relay):
    """A card scheme's switch."""
