"""Retry: whether to try the same target again, and after which pause."""

from __future__ import annotations

from harness.model.policy import Budget as Declared
from harness.model.policy import Retry
from harness.services.channel import Reply

_WHOLE = 1_000_000  # a retry costs this much; exact, where a sum of floats would drift


class Budget:
    """Retries may be at most a share of the calls, whatever the failures.

    Every call pays in its share, every retry takes a whole one. It starts empty, so that the law
    holds from the first call on; a long calm saves up no storm.
    """

    def __init__(self, declared: Declared) -> None:
        self._share = round(declared.share * _WHOLE)
        self._most = declared.saved * _WHOLE
        self._left = 0

    def called(self) -> None:
        """A call was made."""
        if self._left < self._most:
            self._left += self._share

    def spend(self) -> bool:
        """Take one retry out, False when there is none."""
        if self._left < _WHOLE:
            return False
        self._left -= _WHOLE
        return True


def wants_retry(declared: Retry, reply: Reply) -> bool:
    """Whether this reply is one that is tried again."""
    if reply.result in declared.on:
        return True
    return reply.answer is not None and reply.code in declared.codes


def pause_s(declared: Retry, tries: int, chance: float) -> float:
    """Seconds before the next try when `tries` were made; `chance` is drawn from [0, 1)."""
    most = min(declared.backoff * 2.0 ** (tries - 1), declared.longest)
    match declared.jitter:
        case "full":
            return most * chance
        case "half":
            return most * (0.5 + chance / 2)
        case "none":
            return most
