"""Completes names in the shell, where it must answer immediately."""

from __future__ import annotations

from pathlib import Path


def chains(incomplete: str) -> list[str]:
    """Chains by name, and files that a path may go on with."""
    return _names("chain", incomplete)


def experiments(incomplete: str) -> list[str]:
    """Experiments by name, and files that a path may go on with."""
    return _names("experiment", incomplete)


def files(incomplete: str) -> list[str]:
    """Completions: names of chains and experiments, and files that continue a path."""
    return sorted({*chains(incomplete), *experiments(incomplete)})


def rules(incomplete: str) -> list[str]:
    """Ids of money rules, and what a search checks beside them."""
    from paychain.payments.rules import RULES

    return [name for name in (*RULES, "run_ends") if name.startswith(incomplete)]


def kinds(incomplete: str) -> list[str]:
    """Kinds of fault."""
    from paychain.faults.kinds import KINDS

    return [name for name in KINDS if name.startswith(incomplete)]


def pages(incomplete: str) -> list[str]:
    """Pages of the documentation."""
    from paychain.model.pages import pages

    return [name for name in pages() if name.startswith(incomplete)]


def _names(kind: str, incomplete: str) -> list[str]:
    from paychain.model.files import available

    found = [name for name in sorted(available(kind)) if name.startswith(incomplete)]
    return found + _paths(incomplete)


def _paths(incomplete: str) -> list[str]:
    """Folders and YAML files, since the shell does not complete paths after asking us."""
    from paychain.model.files import SUFFIXES

    folder, _, start = incomplete.rpartition("/")
    place = Path(folder or "/") if "/" in incomplete else Path()
    try:
        inside = sorted(place.iterdir())
    except OSError:
        return []
    before = f"{folder}/" if "/" in incomplete else ""
    return [
        f"{before}{path.name}{'/' if path.is_dir() else ''}"
        for path in inside
        if path.name.startswith(start)
        and (start.startswith(".") or not path.name.startswith("."))
        and (path.is_dir() or path.suffix in SUFFIXES)
    ]
