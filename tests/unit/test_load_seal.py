"""What is refused on the channel between master and workers."""

from __future__ import annotations

import pytest

from harness.load.seal import Seal, Side, Unsealed

TOKEN = b"a token of a test"


def ends(token: bytes = TOKEN) -> tuple[Seal, Seal]:
    return Seal(token, Side.MASTER, b"master 1"), Seal(TOKEN, Side.WORKER, b"worker 1")


def test_a_message_of_somebody_with_the_token_is_read() -> None:
    master, worker = ends()
    assert master.open(worker.close(b"hello")) == b"hello"
    assert worker.open(master.close(b"")) == b""


def test_a_message_of_somebody_with_another_token_is_refused() -> None:
    master, worker = ends(b"another token")
    with pytest.raises(Unsealed):
        master.open(worker.close(b"hello"))
    assert master.refused == 1


@pytest.mark.parametrize("place", [0, 31, 32, 33, 45, 49, -1])
def test_a_message_that_was_changed_anywhere_is_refused(place: int) -> None:
    master, worker = ends()
    sealed = bytearray(worker.close(b"hello"))
    sealed[place] ^= 1
    with pytest.raises(Unsealed):
        master.open(bytes(sealed))


@pytest.mark.parametrize("length", [0, 1, 32, 48])
def test_a_message_too_short_for_a_proof_is_refused(length: int) -> None:
    master, worker = ends()
    with pytest.raises(Unsealed):
        master.open(worker.close(b"hello")[:length])


def test_a_message_that_comes_a_second_time_is_refused() -> None:
    master, worker = ends()
    first, second = worker.close(b"one"), worker.close(b"two")
    assert master.open(first) == b"one"
    assert master.open(second) == b"two"
    for again in (first, second):
        with pytest.raises(Unsealed):
            master.open(again)


def test_messages_lost_on_the_way_do_not_spoil_the_next() -> None:
    master, worker = ends()
    worker.close(b"lost")
    assert master.open(worker.close(b"next")) == b"next"


def test_a_message_that_comes_back_to_its_own_side_is_refused() -> None:
    _, worker = ends()
    other = Seal(TOKEN, Side.WORKER, b"worker 2")
    with pytest.raises(Unsealed):
        other.open(worker.close(b"hello"))
