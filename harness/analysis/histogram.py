"""A histogram whose quantiles are within 0.4 %, and that can be merged and stored."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import msgspec

BUCKETS_PER_OCTAVE = 128  # a bucket is at most 1/128 wide, its middle at most 0.4 % off
_BITS = BUCKETS_PER_OCTAVE.bit_length()  # values below 2 ** _BITS have a bucket of their own


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

    def quantiles(self, *shares: float, fewest: int = 1) -> list[float | None]:
        """The values at ascending shares (nearest rank); None each when fewer were counted."""
        if self.total < max(fewest, 1):
            return [None] * len(shares)
        found: list[float | None] = []
        ranks = [max(1, ceil(round(share * self.total, 9))) for share in shares]
        passed = 0
        for bucket in sorted(self.counts):
            passed += self.counts[bucket]
            while len(found) < len(ranks) and ranks[len(found)] <= passed:
                found.append(middle(bucket))
        return found

    def packed(self) -> bytes:
        """Bytes that `unpacked` reads."""
        return msgspec.msgpack.encode(self.counts)

    @classmethod
    def unpacked(cls, data: bytes) -> Histogram:
        """The histogram of packed bytes. Raises msgspec.DecodeError when they are none."""
        return cls(msgspec.msgpack.decode(data, type=dict[int, int]))


def middle(bucket: int) -> float:
    """The value a bucket stands for."""
    if bucket < 2 * BUCKETS_PER_OCTAVE:
        return float(bucket)
    shift, rest = divmod(bucket - BUCKETS_PER_OCTAVE, BUCKETS_PER_OCTAVE)
    lowest = (rest + BUCKETS_PER_OCTAVE) << shift
    return lowest + ((1 << shift) - 1) / 2
