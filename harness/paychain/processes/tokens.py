"""How a process proves that it knows a secret which both sides were given.

Over a network every message carries a proof (HMAC-SHA256, RFC 2104) over whom it is for, who sent
it, its number and the message itself:

    MessageMac ── sender, number, MAC, message ──> Authenticator

A proof is of no use a second time, for a changed message, or for another receiver. Nothing is
hidden: whoever can listen on the network can read the messages. On loopback, where no other machine
can listen, the secret itself is sent (RFC 6750) and compared.
"""

from __future__ import annotations

import hmac
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

# What the machines of a run are given.
TOKEN_VARIABLE = "PAYCHAIN_TOKEN"  # noqa: S105  (the name of a variable)
SIGNING_KEY_VARIABLE = "PAYCHAIN_SIGNING_KEY"  # a private key: the name only
MIN_TOKEN_CHARACTERS = 16  # of a token that a person chose; a shorter one can be guessed
MAX_SENDERS = 1_000  # of one receiver: a run has a handful, and each costs memory
SENDER_BYTES = 8
NUMBER_BYTES = 8
MAC_BYTES = 32  # of SHA-256
PROOF_BYTES = SENDER_BYTES + NUMBER_BYTES + MAC_BYTES
MISSING = "missing or wrong token"
_BEARER = "Bearer "


class Unauthenticated(ValueError):
    """A message whose sender did not prove that it knows the token, or a repeated one."""


@dataclass(frozen=True)
class MessageProof:
    """What goes with a message. `sender` is random for each MessageMac, `number` only goes up."""

    sender: bytes
    number: int
    mac: bytes

    def encode(self) -> bytes:
        """PROOF_BYTES bytes."""
        return self.sender + self.number.to_bytes(NUMBER_BYTES, "big") + self.mac

    @classmethod
    def decode(cls, data: bytes) -> MessageProof:
        """The proof in these bytes. Raises Unauthenticated if they are none."""
        if len(data) != PROOF_BYTES:
            raise Unauthenticated(MISSING)
        sender, rest = data[:SENDER_BYTES], data[SENDER_BYTES:]
        return cls(sender, int.from_bytes(rest[:NUMBER_BYTES], "big"), rest[NUMBER_BYTES:])


class MessageMac:
    """Proves the messages of one sender to one receiver."""

    def __init__(self, token: str, receiver: str) -> None:
        self._key, self._receiver = token.encode(), receiver
        self._sender = os.urandom(SENDER_BYTES)
        self._number = 0

    def prove(self, message: bytes) -> MessageProof:
        """The proof of the next message."""
        self._number += 1
        mac = _mac(self._key, self._receiver, self._sender, self._number, message)
        return MessageProof(self._sender, self._number, mac)


class Authenticator:
    """Accepts each message once, from senders who know the token and mean this receiver."""

    def __init__(self, token: str, receiver: str) -> None:
        self._key, self._receiver = token.encode(), receiver
        self._last: dict[bytes, int] = {}  # number of each sender's last message

    def check(self, proof: MessageProof, message: bytes) -> None:
        """Raises Unauthenticated."""
        right = _mac(self._key, self._receiver, proof.sender, proof.number, message)
        if not hmac.compare_digest(right, proof.mac):
            raise Unauthenticated(MISSING)
        # Only after the MAC: nobody without the token may fill the memory of senders.
        if proof.number <= self._last.get(proof.sender, 0):
            raise Unauthenticated("a repeated message")
        if proof.sender not in self._last and len(self._last) >= MAX_SENDERS:
            raise Unauthenticated("too many senders")
        self._last[proof.sender] = proof.number


def _mac(key: bytes, receiver: str, sender: bytes, number: int, message: bytes) -> bytes:
    # Each part before the message has a fixed length or says its length: no two different messages
    # are the same bytes here.
    name = receiver.encode()
    head = len(name).to_bytes(2, "big") + name + sender + number.to_bytes(NUMBER_BYTES, "big")
    return hmac.digest(key, head + message, "sha256")


def new_token() -> str:
    """A token that cannot be guessed, as text for URLs and headers."""
    return secrets.token_urlsafe(32)


def is_token(given: str, wanted: str) -> bool:
    """Whether the given token is the wanted one, in constant time; never when that is empty."""
    # A header may hold any characters, also half of a surrogate pair.
    data = given.encode("utf-8", "surrogatepass")
    return bool(wanted) and hmac.compare_digest(data, wanted.encode())


def received_token() -> str:
    """The token that the parent wrote to our standard input (`Children.start`); "" without one.

    Neither a command line, which every account can read, nor the environment, which our own
    children would inherit, ever holds it.
    """
    return sys.stdin.readline().strip() if sys.stdin is not None else ""


def bearer(token: str) -> str:
    """The value of the authorization header for a token."""
    return _BEARER + token


def is_bearer_of(token: str) -> Callable[[str], bool]:
    """A check whether an authorization header has this token; none has an empty one."""
    return partial(is_bearer, token=token)


def is_bearer(header: str, token: str) -> bool:
    """Whether an authorization header sends the token."""
    return header.startswith(_BEARER) and is_token(header.removeprefix(_BEARER), token)
