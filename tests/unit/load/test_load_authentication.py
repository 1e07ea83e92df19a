"""What is refused on the channel between master and workers."""

from __future__ import annotations

import pytest

from paychain.load.distributed.authentication import ChannelMac, ChannelSide
from paychain.processes.tokens import PROOF_BYTES, Unauthenticated

TOKEN = "a token of a test"


def ends(token: str = TOKEN) -> tuple[ChannelMac, ChannelMac]:
    return ChannelMac(token, ChannelSide.MASTER), ChannelMac(TOKEN, ChannelSide.WORKER)


def test_a_message_of_somebody_with_the_token_is_read() -> None:
    master, worker = ends()
    assert master.unwrap(worker.wrap(b"hello")) == b"hello"
    assert worker.unwrap(master.wrap(b"")) == b""
    assert (master.refused, worker.refused) == (0, 0)


def test_a_message_of_somebody_with_another_token_is_refused() -> None:
    master, worker = ends("another token")
    with pytest.raises(Unauthenticated, match="missing or wrong token"):
        master.unwrap(worker.wrap(b"hello"))
    assert master.refused == 1


@pytest.mark.parametrize("place", [0, 7, 8, 15, 16, PROOF_BYTES - 1, PROOF_BYTES, -1])
def test_a_message_that_was_changed_anywhere_is_refused(place: int) -> None:
    master, worker = ends()
    data = bytearray(worker.wrap(b"hello"))
    data[place] ^= 1
    with pytest.raises(Unauthenticated):
        master.unwrap(bytes(data))


@pytest.mark.parametrize("length", [0, 1, 32, PROOF_BYTES - 1, PROOF_BYTES])
def test_a_message_too_short_for_a_proof_is_refused(length: int) -> None:
    master, worker = ends()
    with pytest.raises(Unauthenticated):
        master.unwrap(worker.wrap(b"hello")[:length])
    assert master.refused == 1


def test_a_message_that_comes_a_second_time_is_refused() -> None:
    master, worker = ends()
    first, second = worker.wrap(b"one"), worker.wrap(b"two")
    assert master.unwrap(first) == b"one"
    assert master.unwrap(second) == b"two"
    for repeated in (first, second):
        with pytest.raises(Unauthenticated, match="a repeated message"):
            master.unwrap(repeated)


def test_messages_lost_on_the_way_do_not_affect_the_next() -> None:
    master, worker = ends()
    worker.wrap(b"lost")
    assert master.unwrap(worker.wrap(b"next")) == b"next"


def test_a_message_that_comes_back_to_its_own_side_is_refused() -> None:
    _, worker = ends()
    other = ChannelMac(TOKEN, ChannelSide.WORKER)
    with pytest.raises(Unauthenticated):
        other.unwrap(worker.wrap(b"hello"))
