"""paychain explore: search for the smallest outage that costs money."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from paychain.cli.explore_options import (
    NOT_OF_ACTIONS,
    ONLY_LIVE,
    ONLY_VIRTUAL,
    Actions,
    Batch,
    BudgetOption,
    Confirm,
    FoundFolder,
    Interleavings,
    Jobs,
    Kinds,
    Lasts,
    Live,
    On,
    Outages,
    Payments,
    Rules,
    Scripts,
    SearchSeed,
    Success,
    WorksAgain,
    listed,
)
from paychain.cli.explore_specs import ExploreOptions
from paychain.cli.options import MAX_JOBS, ChainName, ClusterOption, PartOption, given
from paychain.payments.errors import UserError

if TYPE_CHECKING:
    from paychain.model.chain import Chain


def explore(
    context: typer.Context,
    chain: ChainName,
    budget: BudgetOption = "20s",
    rule: Rules = None,
    success: Success = None,
    works_again: WorksAgain = None,
    kind: Kinds = None,
    payments: Payments = 20,
    interleavings: Interleavings = False,
    actions: Actions = False,
    seed: SearchSeed = 1,
    jobs: Jobs = None,
    part: PartOption = "1/1",
    cluster: ClusterOption = None,
    confirm: Confirm = False,
    service: On = None,
    live: Live = False,
    lasts: Lasts = "60s",
    scripts: Scripts = None,
    batch: Batch = 64,
    outages: Outages = "0%",
    out: FoundFolder = Path("chaos/found"),
) -> None:
    """Search for the smallest outage that breaks a money rule; exit 1 when one is found.

    Schedules of faults run in virtual time; what breaks a rule is reduced to its smallest form.
    Faults are injected into links, calls and providers, never into all links of a role at once.

    Example: paychain explore card-gives-up --budget 20s --rule no_double_charge

    Your own service: paychain explore shop.yaml --live --for 60s
    """
    from paychain.model.loading import load_chain
    from paychain.processes.files import refuse_unwritable
    from paychain.processes.part import WHOLE, Part

    share = Part.read(part)
    parts = ["part"] * (share != WHOLE)
    if cluster is None and (jobs or 1) > MAX_JOBS:
        what = f"{jobs} searches are too many for one machine"
        raise UserError(what, hint=f"use at most {MAX_JOBS}, or split the search: --part I/N")
    _refuse_without_effect(context, parts, live=live, actions=actions, jobs=jobs)
    loaded = load_chain(chain)
    replayed_on = _service_of(service, loaded.model, is_confirmed=confirm)
    refuse_unwritable(out)
    asked = ExploreOptions(
        seed=seed,
        rules=rule or (),
        budget=budget,
        kinds=kind or (),
        payments=payments,
        success=success,
        works_again=works_again,
        interleavings=interleavings,
        lasts=lasts,
        scripts=scripts,
        batch=batch,
        outages=outages,
    )
    if live:
        from paychain.cli.explore_live import explore_live

        raise typer.Exit(explore_live(loaded, asked.live_spec(share), chain=chain, out=out))
    spec = asked.search_spec(loaded, replayed_on, out)
    if actions:
        from paychain.cli.explore_actions import explore_and_print_actions

        raise typer.Exit(explore_and_print_actions(spec))

    from paychain.cli.explore_schedules import SearchOptions, explore_schedules

    options = SearchOptions(
        chain=chain,
        out=out,
        jobs=jobs,
        cluster=cluster,
        part=share,
        loaded=loaded,
        confirm_on=(service or chain) if confirm else None,
    )
    raise typer.Exit(explore_schedules(spec, options))


def _service_of(name: str | None, twin: Chain, *, is_confirmed: bool) -> Chain | None:
    """The chain on which findings are replayed, where that is another than the searched one.

    Raises UserError when findings on the twin cannot be replayed on it.
    """
    from paychain.model.loading import load_chain

    if name is None:
        return None
    service = load_chain(name).model
    if not is_confirmed:
        raise UserError("--on has no effect without --confirm", hint="add --confirm")
    missing = [link for link in twin.links if link not in service.links]
    if missing:
        raise UserError(
            f"--on: chain {service.chain} has no link {', '.join(missing)}",
            hint="give the chain that the twin was learned from",
        )
    return service


def _refuse_without_effect(
    context: typer.Context,
    parts: Sequence[str],
    *,
    live: bool,
    actions: bool,
    jobs: int | None,
) -> None:
    """Raises UserError for options that the kind of search ignores.

    An option that is given and ignored would look as if it had been respected. `parts`: the
    option of a part, if one is given.
    """
    if live:
        _refuse_with("--live", given(context, ONLY_VIRTUAL), jobs=jobs)
    elif without_effect := given(context, ONLY_LIVE):
        raise UserError(
            f"{listed(without_effect)} without --live has no effect",
            hint="a search in virtual time has --budget; add --live to search real processes",
        )
    if actions:
        _refuse_with("--actions", [*parts, *given(context, NOT_OF_ACTIONS)], jobs=jobs)


def _refuse_with(option: str, excluded: Sequence[str], *, jobs: int | None) -> None:
    """Raises UserError for the parameters that this option excludes, and for several jobs."""
    excluded = [*excluded, *["jobs"] * ((jobs or 1) > 1)]
    if excluded:
        raise UserError(
            f"{option} cannot be combined with {listed(excluded)}", hint="omit one of them"
        )
