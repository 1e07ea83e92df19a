"""Locust's channel accepts messages from anybody: here each one carries a proof before it.

A message without the run's token is refused before anything in it is read; so is a repeated one,
and one that comes back to the side that sent it.
"""

from __future__ import annotations

from enum import StrEnum

from paychain.processes.tokens import (
    PROOF_BYTES,
    Authenticator,
    MessageMac,
    MessageProof,
    Unauthenticated,
)


class ChannelSide(StrEnum):
    """The two ends of the channel."""

    MASTER = "load master"
    WORKER = "load worker"

    @property
    def other(self) -> ChannelSide:
        """Whom this side sends to."""
        return ChannelSide.WORKER if self is ChannelSide.MASTER else ChannelSide.MASTER


class ChannelMac:
    """One process' end of the channel. `refused` counts messages without a valid proof."""

    def __init__(self, token: str, side: ChannelSide) -> None:
        self.refused = 0
        self._mac = MessageMac(token, side.other)
        self._authenticator = Authenticator(token, side)

    def wrap(self, message: bytes) -> bytes:
        """The message with its proof before it."""
        return self._mac.prove(message).encode() + message

    def unwrap(self, data: bytes) -> bytes:
        """The message without its proof. Raises Unauthenticated."""
        message = data[PROOF_BYTES:]
        try:
            self._authenticator.check(MessageProof.decode(data[:PROOF_BYTES]), message)
        except Unauthenticated:
            self.refused += 1
            raise
        return message
