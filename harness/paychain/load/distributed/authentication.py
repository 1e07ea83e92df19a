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
    Proof,
    Unauthenticated,
)


class Side(StrEnum):
    """The two ends of the channel."""

    MASTER = "load master"
    WORKER = "load worker"

    @property
    def other(self) -> Side:
        """Whom this side sends to."""
        return Side.WORKER if self is Side.MASTER else Side.MASTER


class ChannelMac:
    """One process' end of the channel. `refused` counts messages without a valid proof."""

    def __init__(self, token: str, side: Side) -> None:
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
            self._authenticator.check(Proof.decode(data[:PROOF_BYTES]), message)
        except Unauthenticated:
            self.refused += 1
            raise
        return message
