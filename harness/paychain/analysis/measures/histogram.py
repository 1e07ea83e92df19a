"""A histogram whose quantiles are within 0.4 %, and that can be merged and stored."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import msgspec

BUCKETS_PER_OCTAVE = 128  # a bucket is at most 1/128 wide, its middle at most 0.4 % off
_BITS = BUCKETS_PER_OCTAVE.bit_length()  # values below 2 ** _BITS have a bucket of their own


class Histogram:
    """Counts of non-negative integers in log-linear buckets. Quantiles are within 0.4 %.

    Below 256 each value has a bucket of its own; above, an octave has BUCKETS_PER_OCTAVE of them.
    Two histograms merge by adding their counts, whatever was put into them. Law: `total` is the sum
    of the counts.
    """

    __slots__ = ("counts", "total")

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: dict[int, int] = dict(counts or {})
        self.total = sum(self.counts.values())

    def add(self, value: int) -> None:
        """Count one value; a negative value (a clock that stepped) counts as 0."""
        # As bucket_of does, but inline: every hop of a run passes here.
        shift = value.bit_length() - _BITS
        if value < 0:
            bucket = 0
        elif shift > 0:
            bucket = shift * BUCKETS_PER_OCTAVE + (value >> shift)
        else:
            bucket = value
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        self.total += 1

    def remove(self, value: int) -> None:
        """Remove a value that was counted before."""
        bucket = bucket_of(value)
        assert self.counts.get(bucket, 0) > 0, "it was never counted"
        self.counts[bucket] -= 1
        self.total -= 1

    def merge(self, other: Histogram) -> None:
        """Add another histogram's counts to this one."""
        for bucket, number in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + number
        self.total += other.total

    def quantiles(self, *shares: float, fewest: int = 1) -> list[float | None]:
        """The values at ascending shares of 1 (nearest rank); None each below `fewest` values."""
        assert list(shares) == sorted(shares)
        if self.total < max(fewest, 1):
            return [None] * len(shares)
        found: list[float | None] = []
        ranks = [rank_of(share, self.total) for share in shares]
        passed = 0
        for bucket in sorted(self.counts):
            passed += self.counts[bucket]
            while len(found) < len(ranks) and ranks[len(found)] <= passed:
                found.append(middle(bucket))
        assert len(found) == len(ranks)  # holds while `total` is the sum of the counts
        return found

    def place_of(self, share: float) -> tuple[int, int]:
        """The bucket that has the value at a share of 1, and the value's rank in it, from 1."""
        assert self.total > 0
        rank = rank_of(share, self.total)
        passed = 0
        for bucket in sorted(self.counts):
            if rank <= passed + self.counts[bucket]:
                return bucket, rank - passed
            passed += self.counts[bucket]
        raise AssertionError("the total is the sum of the counts")

    def packed(self) -> bytes:
        """The histogram as bytes, for `unpacked`."""
        return msgspec.msgpack.encode(self.counts)

    @classmethod
    def unpacked(cls, data: bytes) -> Histogram:
        """The histogram of packed bytes. Raises msgspec.DecodeError for other bytes."""
        return cls(msgspec.msgpack.decode(data, type=dict[int, int]))


def rank_of(share: float, total: int) -> int:
    """The nearest rank of a share of that many values, from 1."""
    # Rounded, because 0.95 · 20 is a little more than 19 in floating point.
    return max(1, ceil(round(share * total, 9)))


def bucket_of(value: int) -> int:
    """The bucket that a value is counted in."""
    shift = value.bit_length() - _BITS
    if value < 0:
        return 0
    return shift * BUCKETS_PER_OCTAVE + (value >> shift) if shift > 0 else value


def middle(bucket: int) -> float:
    """The value a bucket stands for: the middle of its range."""
    if bucket < 2 * BUCKETS_PER_OCTAVE:
        return float(bucket)
    shift, rest = divmod(bucket - BUCKETS_PER_OCTAVE, BUCKETS_PER_OCTAVE)
    lowest = (rest + BUCKETS_PER_OCTAVE) << shift
    return lowest + ((1 << shift) - 1) / 2
