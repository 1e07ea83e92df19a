"""What a request writes into an object before the link works on it, and how it is taken back.

Another request may have changed the object meanwhile: what that one wrote stays.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import fields
from typing import Any

_FIELDS, _METADATA = "fields", "metadata"  # what a merchant wrote: each name is by itself
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
        said = _differences(getattr(was, _FIELDS, {}), getattr(changed, _FIELDS, {}))
        # Another request may have written other metadata.
        old_metadata, new_metadata = said.pop(_METADATA, (_MISSING, _MISSING))
        named = _differences(_names(old_metadata), _names(new_metadata))

        def undo() -> None:
            for name, old, new in values:
                if getattr(changed, name) is new:
                    setattr(changed, name, old)
            if said or named:
                changed.fields = _taken_back(changed.fields, said)
            if named:
                metadata = _taken_back(changed.fields.get(_METADATA, {}), named)
                changed.fields[_METADATA] = metadata

        return undo


def _names(metadata: Any) -> dict[str, Any]:
    return {} if metadata is _MISSING else metadata


def _differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What was before and what is after, by name, where they differ."""
    names = [*before, *(name for name in after if name not in before)]
    pairs = {name: (before.get(name, _MISSING), after.get(name, _MISSING)) for name in names}
    return {name: (old, new) for name, (old, new) in pairs.items() if old is not new}


def _taken_back(now: dict[str, Any], written: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    left = dict(now)
    for name, (old, new) in written.items():
        if left.get(name, _MISSING) is not new:
            continue
        if old is _MISSING:
            del left[name]
        else:
            left[name] = old
    return left
