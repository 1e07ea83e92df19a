"""The options of paychain explore, and the values that their texts stand for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paychain.cli import names
from paychain.cli.options import MAX_JOBS
from paychain.payments.errors import UserError
from paychain.payments.whole_number import whole_number

if TYPE_CHECKING:
    from paychain.model.tolerance import Limit

BudgetOption = Annotated[
    str, typer.Option(help="how long to search, e.g. 20s, or how many schedules, e.g. 5000")
]
Rules = Annotated[
    list[str] | None,
    typer.Option(
        help="money rule id, or run_ends; repeatable; default: all", autocompletion=names.rules
    ),
]
Success = Annotated[
    str | None, typer.Option(help='also require a technical success, e.g. ">= 90%"')
]
WorksAgain = Annotated[
    str | None,
    typer.Option(help="also require that no payment fails this long after the last heal"),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option(
        help="fault kind to inject; repeatable; default: all but lies and fork",
        autocompletion=names.kinds,
    ),
]
Payments = Annotated[int, typer.Option(min=1, max=1_000, help="payments per schedule")]
Interleavings = Annotated[
    bool, typer.Option("--interleavings", help="also search the order of events, for races")
]
Actions = Annotated[
    bool,
    typer.Option("--actions", help="search scripts of operator actions: inject, heal, pay, settle"),
]
SearchSeed = Annotated[int, typer.Option(help="random seed; the same seed repeats the search")]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=10_000,
        help=f"searches at once, each with its own seed: at most {MAX_JOBS}, or 10000 with "
        "--cluster; default: 1, or with --cluster one for each thread of its workers",
    ),
]
Confirm = Annotated[bool, typer.Option("--confirm", help="replay each finding on real processes")]
On = Annotated[
    str | None,
    typer.Option(
        "--on",
        help="with --confirm: replay on this chain, with the service that CHAIN is a learned "
        "twin of",
        autocompletion=names.chains,
    ),
]
FoundFolder = Annotated[Path, typer.Option(help="folder for the experiments that are found")]

# Parameters that only one of the two searches heeds.
ONLY_VIRTUAL = (
    "budget",
    "success",
    "works_again",
    "kind",
    "payments",
    "interleavings",
    "confirm",
    "service",
    "cluster",
)
NOT_OF_ACTIONS = (
    "live",
    "cluster",
    "confirm",
    "interleavings",
    "success",
    "works_again",
)
ONLY_LIVE = ("lasts", "scripts", "batch", "outages")
_SPELLINGS = {"lasts": "for", "service": "on"}  # of parameters whose option has another name

# With --live:
Live = Annotated[
    bool,
    typer.Option(
        "--live",
        help="search failure scripts of single payments on the chain's real processes, own "
        "services included",
    ),
]
Lasts = Annotated[str, typer.Option("--for", help="with --live: how long to search, e.g. 60s")]
Scripts = Annotated[int | None, typer.Option(min=1, help="with --live: how many scripts to try")]
Batch = Annotated[
    int, typer.Option(help="with --live: payments in progress at once, each with its own script")
]
Outages = Annotated[
    str,
    typer.Option(
        help="with --live: share of the batches through which a whole link or the service "
        "fails, e.g. 10%"
    ),
]


def listed(parameters: Sequence[str]) -> str:
    """Parameters as the options of a command line: `--for, --works-again`."""
    spelt = (_SPELLINGS.get(name, name).replace("_", "-") for name in parameters)
    return ", ".join(f"--{name}" for name in spelt)


def budget_of(text: str) -> tuple[float, int | None]:
    """Seconds and the number of schedules that `--budget` allows. Raises UserError."""
    schedules = whole_number(text)
    if schedules is not None:
        return float("inf"), schedules
    return duration_of("--budget", text, hint="or a number of schedules, e.g. 5000"), None


def share_of(option: str, text: str) -> float:
    """A share of one, such as 0.1 for `10%`. Raises UserError."""
    from paychain.declaration.quantity import share_of_one

    try:
        return share_of_one(text)
    except ValueError as error:
        raise UserError(f"{option}: {error}") from None


def duration_of(option: str, text: str, *, hint: str = "") -> float:
    """Seconds. Raises UserError."""
    from paychain.declaration.quantity import duration_seconds

    try:
        return duration_seconds(text)
    except ValueError as error:
        raise UserError(f"{option}: {error}", hint=hint) from None


def limit_of(text: str | None) -> Limit | None:
    """The limit that `--success` sets. Raises UserError."""
    from pydantic import TypeAdapter, ValidationError

    from paychain.model.tolerance import ShareLimit

    if text is None:
        return None
    try:
        limit: Limit = TypeAdapter(ShareLimit).validate_python(text)
    except ValidationError:
        raise UserError(f"--success: '{text}' is not a limit", hint='write ">= 90%"') from None
    return limit
