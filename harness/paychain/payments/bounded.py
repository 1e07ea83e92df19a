"""A dictionary of bounded size: what a long run must not let grow without end."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


# The oldest key of a plain dict is found past the gaps that those before it left, one after the
# other: to forget thousands from a large one takes quadratic time.
class BoundedDict(OrderedDict[Key, Value]):
    """At most `limit` entries: one more, and the oldest is forgotten.

    As old as an entry is its key: a new value does not make it younger. `on_forget` is called with
    each entry that is forgotten for this reason, after it has gone.
    """

    def __init__(self, limit: int, on_forget: Callable[[Key, Value], object] | None = None) -> None:
        assert limit > 0
        super().__init__()
        self._limit = limit
        self._on_forget = on_forget

    def __setitem__(self, key: Key, value: Value) -> None:
        """Remember an entry, and forget the oldest in its place when there are too many."""
        super().__setitem__(key, value)
        if len(self) > self._limit:
            oldest = self.popitem(last=False)
            if self._on_forget is not None:
                self._on_forget(*oldest)
