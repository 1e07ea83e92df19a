"""What a request writes into an object before the link works on it, and how it is taken back.

Another request may have changed the object meanwhile: what that one wrote stays.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import fields
from typing import Any

_FIELDS = "fields"  # what a merchant wrote, by name: each is taken back by itself
_MISSING = object()


class Before:
    """An object as it is before a request changes it: some values of it, or all of a dataclass.

    It notices values that are set, not what is added to a list.
    """

    def __init__(self, changed: Any, *names: str) -> None:
        self._changed, self._was = changed, copy(changed)
        self._names = names or tuple(each.name for each in fields(changed))

    def written(self) -> Callable[[], None]:
        """The request has written all that it writes: what takes that back."""
        changed, was = self._changed, self._was
        values = [
            (name, getattr(was, name), getattr(changed, name))
            for name in self._names
            if name != _FIELDS
        ]
        values = [(name, old, new) for name, old, new in values if old is not new]
        old_fields, new_fields = dict(getattr(was, _FIELDS, {})), getattr(changed, _FIELDS, {})
        said = {
            name: (old_fields.get(name, _MISSING), new)
            for name, new in new_fields.items()
            if old_fields.get(name, _MISSING) is not new
        }

        def undo() -> None:
            for name, old, new in values:
                if getattr(changed, name) is new:
                    setattr(changed, name, old)
            if said:
                changed.fields = _taken_back(changed.fields, said)

        return undo


def _taken_back(now: dict[str, Any], said: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    left = dict(now)
    for name, (old, new) in said.items():
        if left.get(name, _MISSING) is not new:
            continue
        if old is _MISSING:
            del left[name]
        else:
            left[name] = old
    return left
