"""What a link remembers of payments, and how it forgets those that are over."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Value = TypeVar("Value")
MIN_KEPT = 1_000  # fewer things are not worth looking through
AT_ONCE = 50  # looked at for each new one: more would let a request wait
PARTS = 4  # generations that pass while something is kept
NEVER_NS = 1 << 62


class Window(Protocol):
    """For how long something is remembered, on which clock."""

    @property
    def now_ns(self) -> Callable[[], int]:
        """The clock."""

    @property
    def keeps_ns(self) -> int | None:
        """None: forever."""


@dataclass(frozen=True, slots=True)
class FixedWindow:
    """A time that is declared."""

    now_ns: Callable[[], int]
    keeps_ns: int


# A link has several objects of every payment. A time for each, a pair that holds both and their
# order need five times the memory of an entry in a plain dict.
class Retained(Generic[Value]):
    """Objects by name, kept until they are finished and have not been used for a given time.

    They are in generations: an object is in the one in which it was last used, and a generation
    that ended long enough ago is forgotten. So it may take a quarter longer than that time, or as
    long as few others come.

    `is_over`: whether nothing goes on any more; what is not over is remembered in any case.
    `limit`: beyond it, some of the oldest quarter are forgotten although their time is not over.
    """

    def __init__(
        self,
        window: Window,
        is_over: Callable[[str, Value], bool] = lambda _name, _value: True,
        limit: int = sys.maxsize,
    ) -> None:
        self._window, self._now_ns = window, window.now_ns
        self._is_over = is_over
        self._limit = limit
        self._size = 0
        self._newest: dict[str, Value] = {}
        self._ends_ns = 0  # when the newest generation does
        self._older: deque[tuple[int, dict[str, Value]]] = deque()  # when each ended; oldest first

    def __len__(self) -> int:
        return self._size

    def __contains__(self, name: str) -> bool:
        return name in self._newest or any(name in generation for _, generation in self._older)

    def __getitem__(self, name: str) -> Value:
        """Raises KeyError."""
        self._renew(name)
        return self._newest[name]

    def get(self, name: str) -> Value | None:
        """What has this name; None for nothing."""
        self._renew(name)
        return self._newest.get(name)

    def __setitem__(self, name: str, value: Value) -> None:
        if not self._renew(name):
            self._size += 1
        self._newest[name] = value
        if self._size > MIN_KEPT:
            self._forget()

    def pop(self, name: str) -> Value | None:
        """Forget what has this name, and return it; None for nothing."""
        if not self._renew(name):
            return None
        self._size -= 1
        return self._newest.pop(name)

    def _renew(self, name: str) -> bool:
        """Whether it is known; then it is in the newest generation from now on."""
        if name in self._newest:
            return True
        for _, generation in self._older:
            if name in generation:
                self._newest[name] = generation.pop(name)
                return True
        return False

    def _forget(self) -> None:
        """End the newest generation when it is time, and forget some of one that is too old."""
        now_ns, keeps_ns = self._now_ns(), self._window.keeps_ns
        if keeps_ns is None:
            keeps_ns = NEVER_NS
        # Each look-up goes through all generations: where payments are rare, none is for a few.
        is_time = now_ns >= self._ends_ns and len(self._newest) >= MIN_KEPT // PARTS
        if is_time or len(self._newest) > self._limit // PARTS:
            self._older.append((now_ns, self._newest))
            self._newest = {}
            self._ends_ns = now_ns + keeps_ns // PARTS
        for _ in range(AT_ONCE):
            if not self._older or self._size <= MIN_KEPT:
                return
            ended_ns, oldest = self._older[0]
            if now_ns < ended_ns + keeps_ns and self._size <= self._limit:
                return
            if not oldest:
                self._older.popleft()
                continue
            name, value = oldest.popitem()
            if self._is_over(name, value):
                self._size -= 1
            else:
                self._newest[name] = value  # it is looked at again when this long has passed again
