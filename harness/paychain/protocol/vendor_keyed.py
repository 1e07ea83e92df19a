"""Objects that requests under an idempotency key make once, at APIs that make them themselves.

key ─▶ begin(body) ─▶ an object to make ─▶ the link's work ─▶ done(): the key is used up
            ▲                                   │
            └── another body is another request ┘ an error, before anything was done
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from paychain.payments.bounded import BoundedDict

Made = TypeVar("Made")


@dataclass(slots=True, kw_only=True)
class Keyed(Generic[Made]):
    """What a request makes, and the request's body."""

    body: dict[str, Any]
    made: Made
    is_done: bool = False

    def done(self) -> bool:
        """The link has done the work. Whether it is the first time: what a repeat does not undo."""
        is_first, self.is_done = not self.is_done, True
        return is_first


class MadeByKey(Generic[Made]):
    """What was made under each key; `most` of them are remembered, the oldest forgotten first."""

    def __init__(self, most: int) -> None:
        self._by_key: BoundedDict[Hashable, Keyed[Made]] = BoundedDict(most)

    def begin(
        self, key: Hashable | None, body: dict[str, Any], new: Callable[[], Made]
    ) -> Keyed[Made]:
        """What the key's first request makes: something new, unless this is a repeat of it.

        `key` is None for a request without one. The caller decides what another body under a key
        that is used up is answered.
        """
        known = self._by_key.get(key) if key is not None else None
        # A key of which nothing came is not used up: another body is another request.
        if known is not None and (known.is_done or known.body == body):
            return known
        keyed = Keyed(body=body, made=new())
        if key is not None:  # at once: a repeat may come while this one is on its way
            self._by_key[key] = keyed
        return keyed
