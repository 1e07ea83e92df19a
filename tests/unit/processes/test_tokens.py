"""Who knows the secret is heard, once; nobody else is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paychain.processes import tokens
from paychain.processes.tokens import (
    MAC_BYTES,
    MAX_SENDERS,
    PROOF_BYTES,
    Authenticator,
    MessageMac,
    MessageProof,
    Unauthenticated,
    bearer,
    is_bearer,
    is_token,
    new_token,
)

TOKEN = "a token of a test"
RECEIVER = "links of a test"


def refuses(authenticator: Authenticator, proof: MessageProof, message: bytes) -> bool:
    try:
        authenticator.check(proof, message)
    except Unauthenticated:
        return True
    return False


def test_a_message_of_who_knows_the_token_is_accepted_once() -> None:
    mac, authenticator = MessageMac(TOKEN, RECEIVER), Authenticator(TOKEN, RECEIVER)
    first, second = mac.prove(b"one"), mac.prove(b"one")
    authenticator.check(first, b"one")
    authenticator.check(second, b"one")  # the same message, sent again
    with pytest.raises(Unauthenticated, match="a repeated message"):
        authenticator.check(second, b"one")


def test_an_older_message_is_refused_after_a_newer() -> None:
    mac, authenticator = MessageMac(TOKEN, RECEIVER), Authenticator(TOKEN, RECEIVER)
    first, second = mac.prove(b"one"), mac.prove(b"two")
    authenticator.check(second, b"two")
    assert refuses(authenticator, first, b"one")


def test_each_sender_has_numbers_of_its_own() -> None:
    authenticator = Authenticator(TOKEN, RECEIVER)
    for _ in range(3):
        authenticator.check(MessageMac(TOKEN, RECEIVER).prove(b"hello"), b"hello")


@pytest.mark.parametrize(
    ("token", "receiver"),
    [("another token", RECEIVER), ("", RECEIVER), (TOKEN, "others"), (TOKEN, "")],
)
def test_another_token_or_another_receiver_is_refused(token: str, receiver: str) -> None:
    proof = MessageMac(token, receiver).prove(b"hello")
    with pytest.raises(Unauthenticated, match="missing or wrong token"):
        Authenticator(TOKEN, RECEIVER).check(proof, b"hello")


def test_a_proof_is_of_no_use_for_anything_else() -> None:
    authenticator = Authenticator(TOKEN, RECEIVER)
    proof = MessageMac(TOKEN, RECEIVER).prove(b"hello")
    assert refuses(authenticator, proof, b"hello!")
    assert refuses(authenticator, replace(proof, number=9), b"hello")
    assert refuses(authenticator, replace(proof, sender=bytes(8)), b"hello")
    assert refuses(authenticator, replace(proof, mac=bytes(MAC_BYTES)), b"hello")
    assert refuses(authenticator, replace(proof, mac=b""), b"hello")
    authenticator.check(proof, b"hello")  # what was refused has used nothing up


@given(st.binary(max_size=2 * PROOF_BYTES))
def test_bytes_are_a_proof_only_with_its_length(data: bytes) -> None:
    if len(data) == PROOF_BYTES:
        assert MessageProof.decode(data).encode() == data
    else:
        with pytest.raises(Unauthenticated, match="missing or wrong token"):
            MessageProof.decode(data)


def test_the_memory_of_senders_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_SENDERS >= 100  # more than a run has processes and threads
    monkeypatch.setattr(tokens, "MAX_SENDERS", 2)
    authenticator = Authenticator(TOKEN, RECEIVER)
    known = MessageMac(TOKEN, RECEIVER)
    authenticator.check(known.prove(b""), b"")
    authenticator.check(MessageMac(TOKEN, RECEIVER).prove(b""), b"")
    with pytest.raises(Unauthenticated, match="too many senders"):
        authenticator.check(MessageMac(TOKEN, RECEIVER).prove(b""), b"")
    authenticator.check(known.prove(b""), b"")


def test_a_bearer_is_heard_with_the_token_only() -> None:
    assert is_bearer(bearer(TOKEN), TOKEN)
    for header in ("", "Bearer ", TOKEN, f"Basic {TOKEN}", bearer(TOKEN + "x"), bearer("ä")):
        assert not is_bearer(header, TOKEN)


def test_an_empty_token_lets_nobody_in() -> None:
    assert not is_token("", "")
    assert not is_bearer(bearer(""), "")


def test_new_tokens_differ_and_are_long() -> None:
    found = {new_token() for _ in range(100)}
    assert len(found) == 100
    assert min(map(len, found)) >= 40  # 256 bits as base64
