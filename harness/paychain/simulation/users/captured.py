"""Where modules hold functions by a name of their own: `from time import monotonic`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from paychain.simulation.guard import functions_replaced

_Place = tuple[dict[str, Any], str, Any]  # a module's names, the name, the function
_reals: tuple[int, ...] = ()  # the functions that were looked for, by id
# Where each module holds some of them. A simulation imports a few modules anew, of thousands.
_places: dict[int, tuple[Any, list[_Place]]] = {}


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
    """Every place that holds one of the functions. Only modules that are new are searched."""
    global _reals
    reals = tuple(id(real) for real, _ in replaced)
    if reals != _reals:
        _places.clear()
        _reals = reals
    wanted = set(reals)
    modules = {
        id(module): module for name, module in list(sys.modules.items()) if not _is_guards(name)
    }
    for gone in _places.keys() - modules.keys():
        del _places[gone]
    for number in modules.keys() - _places.keys():
        # The module is kept with them: as long as it is, no other one has its id.
        _places[number] = modules[number], _in(modules[number], wanted)
    return [place for _, places in _places.values() for place in places]


def _in(module: Any, wanted: Collection[int]) -> list[_Place]:
    names = getattr(module, "__dict__", None) or {}
    return [(names, name, value) for name, value in list(names.items()) if id(value) in wanted]


def _is_guards(name: str) -> bool:
    """Whether a module is ours: it asks the machine on purpose, where it does."""
    return name.startswith("paychain.")
