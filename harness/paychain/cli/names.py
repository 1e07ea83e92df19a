"""Completes names in the shell, where it must answer immediately."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer import Context

if TYPE_CHECKING:
    from paychain.model.chain import Chain


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

    return _beginning(incomplete, (*RULES, "run_ends"))


def kinds(incomplete: str) -> list[str]:
    """Kinds of fault."""
    from paychain.faults.kinds import KINDS

    return _beginning(incomplete, KINDS)


def pages(incomplete: str) -> list[str]:
    """Pages of the documentation."""
    from paychain.model.pages import pages

    return _beginning(incomplete, pages())


def standard_faults(incomplete: str) -> list[str]:
    """Experiments that a matrix injects into every link, and files that a path may go on with."""
    from paychain.declaration.text import read_text
    from paychain.faults.target import may_be_for_every_link
    from paychain.model.files import available

    found = [
        name
        for name, path in sorted(available("experiment").items())
        if may_be_for_every_link(read_text(path)[0])
    ]
    return _beginning(incomplete, found) + _paths(incomplete)


def dialects(incomplete: str) -> list[str]:
    """Providers whose APIs are known."""
    from paychain.protocol.dialects.vendors import VENDORS

    return _beginning(incomplete, VENDORS)


def links(context: Context, incomplete: str) -> list[str]:
    """Links of the chain that the command line names."""
    chain = _chain_of(context)
    return _beginning(incomplete, chain.links if chain else ())


def roles(context: Context, incomplete: str) -> list[str]:
    """Roles of the links of the chain that the command line names."""
    chain = _chain_of(context)
    found = (link.role for link in chain.links.values()) if chain else ()
    return _beginning(incomplete, dict.fromkeys(found))


def _names(kind: str, incomplete: str) -> list[str]:
    from paychain.model.files import available

    return _beginning(incomplete, sorted(available(kind))) + _paths(incomplete)


def _chain_of(context: Context) -> Chain | None:
    from paychain.model.loading import load_chain
    from paychain.payments.errors import UserError

    # An option without its value, which is being completed, leaves the words before it unread.
    name: Any = context.params.get("chain") or next(iter(context.args), None)
    try:
        return load_chain(name).model if isinstance(name, str) else None
    except UserError:
        return None


def _beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    """Those that begin so, and that a shell takes as they are.

    Bash writes a completion into the command line without quotes, so that a file called `$(…)`,
    of a repository that somebody just looks at, would be a command.
    """
    return [word for word in words if word.startswith(incomplete) and shlex.quote(word) == word]


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
    found = (
        f"{before}{path.name}{'/' if path.is_dir() else ''}"
        for path in inside
        if (start.startswith(".") or not path.name.startswith("."))
        and (path.is_dir() or path.suffix in SUFFIXES)
    )
    return _beginning(incomplete, found)
