"""A proof on every message between master and workers that its sender knows the run's token.

Locust's channel asks nobody who he is. A sealed message is a tag (HMAC-SHA256 over all that
follows), which way it goes, who sent it, its number, and the message itself. One without the tag
is refused before anything in it is read; so is one that comes a second time, or back to its sender.
Nothing is hidden: who can listen on the network can read the messages.
"""

from __future__ import annotations

import hmac
from enum import IntEnum

TAG_BYTES = 32
SENDER_BYTES = 8
_NUMBER_BYTES = 8
_HEAD_BYTES = TAG_BYTES + 1 + SENDER_BYTES + _NUMBER_BYTES


class Side(IntEnum):
    """Who sends."""

    MASTER = 0
    WORKER = 1


class Unsealed(ValueError):
    """A message that nobody who knows the token has sent, or one that was here before."""


class Seal:
    """One end of the channel. `sender` is 8 random bytes: another process, another sender."""

    def __init__(self, token: bytes, side: Side, sender: bytes) -> None:
        assert len(sender) == SENDER_BYTES
        self.refused = 0
        self._token = token
        self._side, self._sender = side, sender
        self._sent = 0
        self._numbers: dict[bytes, int] = {}  # the last from each sender; only who has the token

    def close(self, message: bytes) -> bytes:
        """The message with its proof before it."""
        self._sent += 1
        number = self._sent.to_bytes(_NUMBER_BYTES, "big")
        rest = bytes([self._side]) + self._sender + number + message
        return self._tag(rest) + rest

    def open(self, sealed: bytes) -> bytes:
        """The message without its proof. Raises Unsealed."""
        tag, rest = sealed[:TAG_BYTES], sealed[TAG_BYTES:]
        if len(sealed) < _HEAD_BYTES or not hmac.compare_digest(tag, self._tag(rest)):
            self.refused += 1
            raise Unsealed("a message without the token of this run")
        sender = rest[1 : 1 + SENDER_BYTES]
        number = int.from_bytes(rest[1 + SENDER_BYTES : _HEAD_BYTES - TAG_BYTES], "big")
        if rest[0] == self._side or number <= self._numbers.get(sender, 0):
            self.refused += 1
            raise Unsealed("a message that was sent before, or to somebody else")
        self._numbers[sender] = number
        return rest[_HEAD_BYTES - TAG_BYTES :]

    def _tag(self, rest: bytes) -> bytes:
        return hmac.digest(self._token, rest, "sha256")
