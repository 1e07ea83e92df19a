"""The records of a journal as bytes: the frames of a spool file, each with its length before it."""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

import msgspec

from paychain.payments.journal import Record


class JournalEnd(msgspec.Struct, frozen=True, tag="end", array_like=True):
    """The last frame of a spool, when its process ended in order: how many records it has had."""

    records: int


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Record | JournalEnd)
_LENGTH = Struct(">I")  # before each frame
MAX_FRAME_BYTES = 1_000_000  # far above any record: a longer length is a corrupt file


def encode(records: Iterable[Record | JournalEnd]) -> bytes:
    """Frames of a spool file: each record length-prefixed (4 bytes, big endian)."""
    out = bytearray()
    for record in records:
        frame = _ENCODER.encode(record)
        out += _LENGTH.pack(len(frame))
        out += frame
    return bytes(out)


def decode(data: bytes) -> tuple[list[Record], int]:
    """Whole records in `data` and how many bytes they took; a cut tail is left for later.

    A frame that is not a record ends the list before it, so that nothing read is lost; the end of a
    journal is none. Raises msgspec.DecodeError when the first frame is none.
    """
    frames, position = decode_frames(data)
    return [frame for frame in frames if not isinstance(frame, JournalEnd)], position


def decode_frames(data: bytes) -> tuple[list[Record | JournalEnd], int]:
    """Like `decode`, with the end of the journal, where it is."""
    records: list[Record | JournalEnd] = []
    view, size = memoryview(data), len(data)
    decode_one, add = _DECODER.decode, records.append
    start, end = _LENGTH.size, 0
    try:
        while start <= size:
            position = start + _LENGTH.unpack_from(data, end)[0]
            if position - start > MAX_FRAME_BYTES:
                raise msgspec.DecodeError(f"a frame of {position - start} bytes")
            if position > size:
                break
            add(decode_one(view[start:position]))
            start, end = position + _LENGTH.size, position
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if not records:
            raise msgspec.DecodeError(str(error)) from error
    return records, end
