"""What an idempotency key stands for now: once its window is over, it is a new key.

All that a link and its vendor's API remember of a key they remember under `name_of` it, so that
nothing outlives the window:

    key ─ name_of ─▶ "k" ── used ── window over ─▶ "k (window 2)" ── used ── …
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from paychain.payments.bounded import BoundedDict

MAX_NAMED = 100_000  # keys: as many as are known at once
_AGAIN = " (window "


# Untracked (gc=False), as there is one for every key.
class _Use(msgspec.Struct, gc=False):
    """The window of a key that is open, or was the last one."""

    since_s: float
    number: int = 1
    at_work: int = 0


class KeyWindows:
    """The windows of the keys of one link. `now_s` is the link's clock."""

    def __init__(self, window_s: float, now_s: Callable[[], float]) -> None:
        self._window_s, self._now_s = window_s, now_s
        self._uses: BoundedDict[str, _Use] = BoundedDict(MAX_NAMED)

    def name_of(self, key: str) -> str:
        """The key itself in its first window; later it has the number of the window, too.

        A window begins when a request comes with the key, and again when it is worked on once more.
        """
        if not key:
            return key
        now_s = self._now_s()
        use = self._uses.get(key)
        if use is None:
            self._uses[key] = _Use(now_s)
            return key
        if not use.at_work and use.since_s <= now_s - self._window_s:
            use.number, use.since_s = use.number + 1, now_s
            # As young as a new key: forgotten sooner, a repeat would get the first window's name.
            self._uses.move_to_end(key)
        return key if use.number == 1 else f"{key}{_AGAIN}{use.number})"

    def begun(self, name: str) -> None:
        """The work of a request under a key begins."""
        use = self._uses.get(named_key(name))
        if use is not None:
            use.since_s = self._now_s()
            use.at_work += 1

    def ended(self, name: str) -> None:
        """That work has ended."""
        use = self._uses.get(named_key(name))
        if use is not None and use.at_work:
            use.at_work -= 1


def named_key(name: str) -> str:
    """The key that a request came with."""
    return name.partition(_AGAIN)[0]
