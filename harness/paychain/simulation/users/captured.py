"""Where modules hold functions by a name of their own: `from time import monotonic`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from paychain.simulation.guard import functions_replaced

_Place = tuple[dict[str, Any], str, Any]  # a module's names, the name, the function
_reals: tuple[int, ...] = ()  # the functions that were looked for, by id
_known: dict[int, _Searched] = {}  # by the module's id


@dataclass(frozen=True, slots=True)
class _Searched:
    """A module that was searched. A simulation imports a few modules anew, of thousands.

    It is kept here: as long as it is, no other one has its id. `number`: how many names it had;
    `empty`: those that held nothing yet, as what is filled when it is first needed.
    """

    module: Any
    number: int
    empty: tuple[str, ...]
    places: list[_Place]

    @property
    def has_taken(self) -> bool:
        """Whether it may have taken a function since."""
        names = _names(self.module)
        return len(names) != self.number or any(names.get(name) is not None for name in self.empty)


@contextmanager
def captured_replaced(replaced: Sequence[tuple[Any, Any]]) -> Iterator[None]:
    """Put each function's replacement also where a module took the function by name.

    `replaced`: each real function and what stands in its place.
    """
    guards = {id(real): guard for real, guard in replaced}
    done = []
    for names, name, real in _search(replaced):
        if names.get(name) is real:
            names[name] = guards[id(real)]
            done.append((names, name, real))
    try:
        yield
    finally:
        for names, name, real in done:
            names[name] = real


def search_ahead() -> None:
    """Search the modules now: a fork of this process need not do it then. Guards are installed."""
    _search(functions_replaced())


def _search(replaced: Sequence[tuple[Any, Any]]) -> list[_Place]:
    """Every place that holds one of the functions.

    Only modules that are new, or have other names, are searched: to search all takes 10 ms, longer
    than the simulation of a payment.
    """
    global _reals
    reals = tuple(id(real) for real, _ in replaced)
    if reals != _reals:
        _known.clear()
        _reals = reals
    wanted = set(reals)
    modules = {
        id(module): module for name, module in list(sys.modules.items()) if not _is_guards(name)
    }
    for gone in _known.keys() - modules.keys():
        del _known[gone]
    for number, module in modules.items():
        known = _known.get(number)
        if known is None or known.has_taken:
            _known[number] = _searched(module, wanted)
    return [place for known in _known.values() for place in known.places]


def _searched(module: Any, wanted: Collection[int]) -> _Searched:
    names = _names(module)
    held = list(names.items())
    empty = tuple(name for name, value in held if value is None)
    places = [(names, name, value) for name, value in held if id(value) in wanted]
    return _Searched(module, len(held), empty, places)


def _names(module: Any) -> dict[str, Any]:
    return getattr(module, "__dict__", None) or {}


def _is_guards(name: str) -> bool:
    """Whether a module is ours: it asks the machine on purpose, where it does."""
    return name.startswith("paychain.")
