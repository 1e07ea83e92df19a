"""`datetime.now()` and `date.today()` of the real classes, answered by a stand-in.

Libraries know the date classes by what they are: pydantic by an annotation, an ORM by a table of
types. A class of our own in their place, as the guards put it there, is none of those. So the
methods of the real classes are replaced. Python has no words for that: the dictionary of a class
that is written in C is found as what its read-only view refers to.
"""

from __future__ import annotations

import ctypes
import datetime
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import getattr_static
from typing import Any

from paychain.simulation.guard import dates_left_alone, stand_in_here

_METHODS: tuple[tuple[type, str], ...] = (
    (datetime.datetime, "now"),
    (datetime.datetime, "utcnow"),
    (datetime.datetime, "today"),
    (datetime.date, "today"),
)


@contextmanager
def dates_answered() -> Iterator[None]:
    """Let stand-ins answer for the date classes, each in its thread.

    Any other thread gets the machine's date.
    """
    were = []
    with dates_left_alone():
        for kind, name in _METHODS:
            names = _names_of(kind)
            were.append((kind, names, name, names.get(name)))
            _set(kind, names, name, classmethod(_answering(kind, name)))
        try:
            yield
        finally:
            for kind, names, name, real in reversed(were):
                _set(kind, names, name, real)


def _answering(kind: type, name: str) -> Callable[..., Any]:
    real = getattr_static(kind, name)
    what = f"datetime.{kind.__name__}.{name}"

    def method(cls: type, *args: Any, **keywords: Any) -> Any:
        stand_in = stand_in_here()
        if stand_in is None:
            return real.__get__(None, cls)(*args, **keywords)
        found = stand_in.functions[what](*args, **keywords)
        # A class of the user's own gets its own kind, as by the real method.
        return found if type(found) is cls else _as(cls, found)

    return method


def _as(cls: Any, found: Any) -> Any:
    if not isinstance(found, datetime.datetime):
        return cls(found.year, found.month, found.day)
    return cls.combine(found.date(), found.timetz())


def _names_of(kind: type) -> dict[str, Any]:
    """What stands in a class's `__dict__`, to be written to."""
    (names,) = gc.get_referents(kind.__dict__)
    assert isinstance(names, dict), "the view of a class's names refers to them alone"
    return names


def _set(kind: type, names: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        del names[name]
    else:
        names[name] = value
    # Python keeps what it has looked up in a class, until it hears of a change.
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))
