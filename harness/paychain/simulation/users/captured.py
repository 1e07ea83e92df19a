"""Where modules hold functions by a name of their own: `from time import monotonic`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from paychain.simulation.guard import functions_replaced

_searched: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())  # modules and functions, by id
_places: list[tuple[dict[str, Any], str, Any]] = []  # a module's names, the name, the function


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


def _search(replaced: Sequence[tuple[Any, Any]]) -> list[tuple[dict[str, Any], str, Any]]:
    """Every place that holds one of the functions.

    Searched anew only when there are other modules than before: there are thousands.
    """
    global _searched
    modules = [module for name, module in list(sys.modules.items()) if not _is_guards(name)]
    now = tuple(map(id, modules)), tuple(id(real) for real, _ in replaced)
    if now != _searched:
        reals = {id(real): real for real, _ in replaced}
        _places[:] = [
            (names, name, value)
            for module in modules
            if (names := getattr(module, "__dict__", None)) is not None
            for name, value in list(names.items())
            if id(value) in reals
        ]
        _searched = now
    return _places


def _is_guards(name: str) -> bool:
    """Whether a module is ours: it asks the machine on purpose, where it does."""
    return name.startswith("paychain.")
