"""Records on their way over a channel that loses, repeats, reorders, spoils and breaks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from paychain.load.distributed.chunks import (
    CHUNK_BYTES,
    RESEND_S,
    WINDOW_BYTES,
    Chunk,
    ChunkReceipt,
    Inbox,
    Outbox,
)
from tests.support.laws import examples


class Channel(RuleBasedStateMachine):
    """A worker's file, a channel that does what it likes, and the master's copy."""

    def __init__(self) -> None:
        super().__init__()
        self.file, self.copy = bytearray(), bytearray()
        self.now_s = 0.0
        self.outbox = Outbox(lambda offset, most: bytes(self.file[offset : offset + most]))
        self.inbox = Inbox(self.copy.extend)
        self.chunks: list[Chunk] = []
        self.receipts: list[ChunkReceipt] = []

    @rule(size=st.integers(1, 3 * CHUNK_BYTES), fill=st.integers(0, 255))
    def record(self, size: int, fill: int) -> None:
        self.file.extend((fill + at) % 256 for at in range(size))

    @rule()
    def send(self) -> None:
        while (chunk := self.outbox.due(self.now_s)) is not None:
            self.chunks.append(chunk)

    @rule(data=st.data(), keeps=st.booleans())
    def arrive(self, data: st.DataObject, keeps: bool) -> None:
        """Any piece in any order; one that is kept comes again later."""
        if self.chunks:
            at = data.draw(st.integers(0, len(self.chunks) - 1))
            chunk = self.chunks[at] if keeps else self.chunks.pop(at)
            self.receipts.append(self.inbox.receive(chunk))

    @rule(data=st.data())
    def spoil(self, data: st.DataObject) -> None:
        if self.chunks:
            at = data.draw(st.integers(0, len(self.chunks) - 1))
            chunk = self.chunks.pop(at)
            affected = bytes([chunk.data[0] ^ 1]) + chunk.data[1:]
            self.receipts.append(self.inbox.receive(Chunk(chunk.offset, affected, chunk.checksum)))

    @rule(data=st.data(), keeps=st.booleans())
    def acknowledge(self, data: st.DataObject, keeps: bool) -> None:
        if self.receipts:
            at = data.draw(st.integers(0, len(self.receipts) - 1))
            receipt = self.receipts[at] if keeps else self.receipts.pop(at)
            self.outbox.acknowledge(receipt, self.now_s)

    @rule()
    def break_down(self) -> None:
        self.chunks.clear()
        self.receipts.clear()

    @rule(passed_s=st.floats(0.01, 3))
    def wait(self, passed_s: float) -> None:
        self.now_s += passed_s

    @invariant()
    def the_copy_is_the_beginning_of_the_file(self) -> None:
        assert self.copy == self.file[: len(self.copy)]
        assert self.outbox.acknowledged <= len(self.copy)

    def teardown(self) -> None:
        """Once the channel works again, everything arrives."""
        self.break_down()
        for _ in range(len(self.file) // CHUNK_BYTES + 3):
            self.now_s += RESEND_S + 0.1
            self.send()
            for chunk in self.chunks:
                self.outbox.acknowledge(self.inbox.receive(chunk), self.now_s)
            self.chunks.clear()
        assert self.copy == self.file
        assert self.outbox.acknowledged == len(self.file)


TestChannel = Channel.TestCase
TestChannel.settings = examples(60, stateful_step_count=40)


@given(st.integers(1, 40))
def test_no_more_than_the_window_is_on_the_way(chunks: int) -> None:
    outbox = Outbox(lambda offset, most: b"x" * most)
    sent = 0
    while (chunk := outbox.due(0.0)) is not None and sent <= 10 * WINDOW_BYTES:
        sent += len(chunk.data)
    assert sent == WINDOW_BYTES
    outbox.acknowledge(ChunkReceipt(min(chunks * CHUNK_BYTES, WINDOW_BYTES)), 0.1)
    assert outbox.due(0.1) is not None


def test_a_gap_is_resent_once_however_often_it_is_reported() -> None:
    outbox = Outbox(lambda offset, most: b"x" * min(most, 10 * CHUNK_BYTES - offset))
    while outbox.due(0.0) is not None:
        pass
    again = 0
    for _ in range(9):  # the first of ten was lost: nine came too early
        outbox.acknowledge(ChunkReceipt(0, misses=True), 0.1)
        while outbox.due(0.1) is not None:
            again += 1
    assert again == 10
