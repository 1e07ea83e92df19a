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
    budget_of,
    duration_of,
    limit_of,
    listed,
    share_of,
)
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

    Example: paychain explore card-gives-up --budget 20s --rule no_double_charge

    Your own service: paychain explore shop.yaml --live --for 60s
    """
    from paychain.explore.spec import SearchSpec
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
    if live:
        from paychain.cli.explore_live import explore_live
        from paychain.explore.live.result import LiveSpec

        live_spec = LiveSpec(
            seed=seed,
            budget_s=duration_of("--for", lasts),
            max_scripts=scripts,
            batch=batch,
            rules=tuple(rule or ()),
            outage_share=share_of("--outages", outages),
            part=share,
        )
        raise typer.Exit(explore_live(loaded, live_spec, chain=chain, out=out))
    budget_s, max_schedules = budget_of(budget)
    spec = SearchSpec(
        loaded.model,
        seed=seed,
        budget_s=budget_s,
        max_schedules=max_schedules,
        payments=payments,
        rules=_searched_rules(rule or (), success=success, works_again=works_again),
        kinds=tuple(kind or ()),
        replayed_on=replayed_on,
        success=limit_of(success),
        works_again_s=duration_of("--works-again", works_again) if works_again else None,
        interleavings=interleavings,
        database=out / ".examples",
        home=loaded.path.parent,
    )
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
        chain_sha256=loaded.sha256,
        confirm_on=(service or chain) if confirm else None,
    )
    raise typer.Exit(explore_schedules(spec, options))


def _searched_rules(
    rules: Sequence[str], *, success: str | None, works_again: str | None
) -> tuple[str, ...]:
    """The rules that are searched; none stands for all."""
    from paychain.explore.checks import SUCCESS, WORKS_AGAIN

    if not rules:
        return ()
    # What --success and --works-again ask for is searched beside the rules that are named.
    asked = {SUCCESS: success, WORKS_AGAIN: works_again}
    return (*rules, *(name for name, limit in asked.items() if limit is not None))


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
