"""Quantiles of many values: exact ones of a sorted list, and a histogram that can be merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

import msgspec

BUCKETS_PER_OCTAVE = 128  # a bucket is at most 1/128 wide, its middle at most 0.4 % off
_BITS = BUCKETS_PER_OCTAVE.bit_length()  # values below 2 ** _BITS have a bucket of their own


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The value at a share of an ascending sequence (nearest rank); None when it is empty."""
    if not ordered:
        return None
    return ordered[max(1, ceil(round(share * len(ordered), 9))) - 1]


class Histogram:
    """Counts of non-negative integers in log-linear buckets. Quantiles are within 0.4 %.

    Two histograms merge by adding their counts, whatever was put into them.
    """

    __slots__ = ("counts", "total")

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: dict[int, int] = dict(counts or {})
        self.total = sum(self.counts.values())

    def add(self, value: int) -> None:
        """Count one value; a negative one (a clock that stepped) counts as 0."""
        shift = value.bit_length() - _BITS
        if value < 0:
            bucket = 0
        elif shift > 0:
            bucket = shift * BUCKETS_PER_OCTAVE + (value >> shift)
        else:
            bucket = value
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        self.total += 1

    def merge(self, other: Histogram) -> None:
        """Add another histogram's counts to this one."""
        for bucket, number in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + number
        self.total += other.total

    def quantile(self, share: float) -> float | None:
        """The value at a share of the counted ones (nearest rank); None when there are none."""
        if not self.total:
            return None
        rank = max(1, ceil(round(share * self.total, 9)))
        for bucket in sorted(self.counts):
            rank -= self.counts[bucket]
            if rank <= 0:
                return _middle(bucket)
        raise AssertionError("a rank is never above the total")

    def packed(self) -> bytes:
        """Bytes that `unpacked` reads."""
        return msgspec.msgpack.encode(self.counts)

    @classmethod
    def unpacked(cls, data: bytes) -> Histogram:
        """The histogram of packed bytes. Raises msgspec.DecodeError when they are none."""
        return cls(msgspec.msgpack.decode(data, type=dict[int, int]))


def _middle(bucket: int) -> float:
    if bucket < 2 * BUCKETS_PER_OCTAVE:
        return float(bucket)
    shift, rest = divmod(bucket - BUCKETS_PER_OCTAVE, BUCKETS_PER_OCTAVE)
    lowest = (rest + BUCKETS_PER_OCTAVE) << shift
    return lowest + ((1 << shift) - 1) / 2
