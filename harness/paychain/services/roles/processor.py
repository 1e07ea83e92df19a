"""Processor: authorises, captures, refunds and reverses for merchants, over the scheme."""

from __future__ import annotations

from paychain.services.roles.relay import Relay


class Processor(Relay):
    """An acquirer's processor. It may report outcomes of payments by webhooks."""
