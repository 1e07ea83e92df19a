"""The tokens of a directory: lookups take them, time and approved payments bring them back."""

from __future__ import annotations

from paychain.model.lookups import Lookups

NS = 1_000_000_000
_UNITS = 1_000_000  # of one token, in integers: a sum of small parts would drift


class TokenBucket:
    """The tokens of one link. Law: there are never fewer than none, nor more than its size.

    Times are nanoseconds of the link's clock, which never runs backwards.
    """

    def __init__(self, declared: Lookups, now_ns: int) -> None:
        self._declared = declared
        self._most = declared.bucket * _UNITS
        self._left = self._most
        self._refill = round(declared.refill * _UNITS)  # units in a second
        self._counted_ns = now_ns

    def admits(self, now_ns: int) -> bool:
        """Whether there is a token for one more lookup; a refusal takes its price."""
        self._refilled(now_ns)
        if self._left >= _UNITS:
            return True
        self._take(self._declared.refused)
        return False

    def looked_up(self, *, found: bool) -> None:
        """Take the price of an answered lookup."""
        self._take(self._declared.hit if found else self._declared.miss)

    def approved(self, now_ns: int) -> None:
        """A payment was approved: it gives back what it is worth."""
        self._refilled(now_ns)
        self._left = min(self._left + self._declared.approved * _UNITS, self._most)

    def _take(self, tokens: int) -> None:
        self._left = max(0, self._left - tokens * _UNITS)

    def _refilled(self, now_ns: int) -> None:
        came = (now_ns - self._counted_ns) * self._refill // NS
        if came:
            self._left = min(self._left + came, self._most)
            # What is not yet a whole unit goes on counting.
            self._counted_ns += came * NS // self._refill
