"""paychain explore: search for the smallest outage that costs money."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paychain.cli import names
from paychain.cli.exit_codes import ExitCode
from paychain.cli.on_cluster import opened
from paychain.cli.options import ChainName, ClusterOption, PartOption
from paychain.cli.say import say
from paychain.processes.interrupted import keeping

if TYPE_CHECKING:
    from paychain.cli.explore_confirm import Confirmed
    from paychain.explore.result import SearchResult
    from paychain.explore.spec import SearchSpec
    from paychain.model.chain import Chain
    from paychain.model.tolerance import Limit
    from paychain.processes.part import Part


def explore(
    chain: ChainName,
    budget: Annotated[
        str, typer.Option(help="how long to search, e.g. 20s, or how many schedules, e.g. 5000")
    ] = "20s",
    rule: Annotated[
        list[str] | None,
        typer.Option(
            help="money rule id, or run_ends; repeatable; default: all", autocompletion=names.rules
        ),
    ] = None,
    success: Annotated[
        str | None, typer.Option(help='also require a technical success, e.g. ">= 90%"')
    ] = None,
    works_again: Annotated[
        str | None,
        typer.Option(help="also require that no payment fails this long after the last heal"),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="fault kind to inject; repeatable; default: all", autocompletion=names.kinds
        ),
    ] = None,
    payments: Annotated[int, typer.Option(min=1, max=1_000, help="payments per schedule")] = 20,
    interleavings: Annotated[
        bool, typer.Option("--interleavings", help="also search the order of events, for races")
    ] = False,
    actions: Annotated[
        bool,
        typer.Option(
            "--actions", help="search scripts of operator actions: inject, heal, pay, settle"
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="random seed; the same seed repeats the search")] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="searches at once, each with its own seed; default: 1, or with --cluster one for "
            "each thread of its workers",
        ),
    ] = None,
    part: PartOption = "1/1",
    cluster: ClusterOption = None,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="replay each finding on real processes")
    ] = False,
    service: Annotated[
        str | None,
        typer.Option(
            "--on",
            help="with --confirm: replay on this chain, with the service that CHAIN is a learned "
            "twin of",
            autocompletion=names.chains,
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="search failure scripts of single payments on the chain's real processes, own "
            "services included",
        ),
    ] = False,
    lasts: Annotated[
        str, typer.Option("--for", help="with --live: how long to search, e.g. 60s")
    ] = "60s",
    scripts: Annotated[
        int | None, typer.Option(min=1, help="with --live: how many scripts to try")
    ] = None,
    batch: Annotated[
        int, typer.Option(help="with --live: payments with a script of their own at once")
    ] = 64,
    outages: Annotated[
        str,
        typer.Option(
            help="with --live: share of the batches through which a whole link or the service "
            "fails, e.g. 10%"
        ),
    ] = "0%",
    out: Annotated[Path, typer.Option(help="folder for the experiments that are found")] = Path(
        "chaos/found"
    ),
) -> None:
    """Search for the smallest outage that breaks a money rule; exit 1 when one is found.

    Schedules of faults run in virtual time; what breaks a rule is reduced to its smallest form.

    Example: paychain explore card-gives-up --budget 20s --rule no_double_charge

    Your own service: paychain explore shop.yaml --live --for 60s
    """
    from paychain.explore.checks import SUCCESS, WORKS_AGAIN
    from paychain.explore.spec import SearchSpec
    from paychain.model.loading import load_chain
    from paychain.processes.files import refuse_unwritable
    from paychain.processes.part import WHOLE, Part

    loaded = load_chain(chain)
    replayed_on = load_chain(service).model if service is not None else None
    if replayed_on is not None:
        _refuse_on(replayed_on, loaded.model, is_confirmed=confirm)
    refuse_unwritable(out)
    share = Part.read(part)
    if share != WHOLE and actions:
        _refuse_part("--actions")
    if cluster is not None and (live or actions):
        _refuse_cluster("--live" if live else "--actions")
    if live:
        from paychain.cli.explore_live import explore_live
        from paychain.explore.live.result import LiveSpec

        live_spec = LiveSpec(
            seed=seed,
            budget_s=_duration("--for", lasts),
            max_scripts=scripts,
            batch=batch,
            rules=tuple(rule or ()),
            outage_share=_share("--outages", outages),
            part=share,
        )
        raise typer.Exit(explore_live(loaded, live_spec, chain=chain, out=out))
    seconds, max_schedules = _budget(budget)
    rules = tuple(rule or ())
    if rules:  # what --success and --works-again ask for is searched beside them
        rules += (SUCCESS,) * (success is not None) + (WORKS_AGAIN,) * (works_again is not None)
    spec = SearchSpec(
        loaded.model,
        seed=seed,
        budget_s=seconds,
        max_schedules=max_schedules,
        payments=payments,
        rules=rules,
        kinds=tuple(kind or ()),
        replayed_on=replayed_on,
        success=_limit(success),
        works_again_s=_duration("--works-again", works_again) if works_again else None,
        interleavings=interleavings,
        database=out / ".examples",
        home=loaded.path.parent,
    )
    if actions:
        _refuse_with_actions(
            jobs=(jobs or 1) > 1,
            confirm=confirm,
            interleavings=interleavings,
            success=success is not None,
            works_again=works_again is not None,
        )
        _explore_actions(spec)
    else:
        asked = {
            "chain": loaded.sha256,
            "budget": budget,
            "seed": str(seed),
            "rules": " ".join(sorted(rule or ())),
            "kinds": " ".join(sorted(kind or ())),
            "payments": str(payments),
            "success": success or "",
            "works_again": works_again or "",
            "interleavings": str(interleavings),
        }
        _explore_schedules(
            spec,
            chain,
            jobs=jobs,
            out=out,
            confirm_on=(service or chain) if confirm else None,
            part=share,
            asked=asked,
            cluster=cluster,
        )


def _explore_schedules(
    spec: SearchSpec,
    chain: str,
    *,
    jobs: int | None,
    out: Path,
    confirm_on: str | None,
    part: Part,
    asked: dict[str, str],
    cluster: str | None,
) -> None:
    from paychain.cli.explore_output import Progress, nothing_found_lines, print_timeline
    from paychain.explore.findings import outage_lines, searched_line, write_outage
    from paychain.explore.jobs import search_with_jobs
    from paychain.explore.parts import share_of, write_part
    from paychain.model.virtual_services import experimental_note
    from paychain.processes.part import WHOLE
    from paychain.runs.spec import run_command

    if part != WHOLE:
        spec = share_of(spec, part)
    if note := experimental_note(spec.chain):
        say(note)
    show = Progress()
    with opened(cluster) as workers, _ctrl_c_between_schedules() as check_ctrl_c:

        def on_progress(result: SearchResult) -> None:
            show(result)
            check_ctrl_c()

        searches = jobs or (workers.threads if workers is not None else 1)
        try:
            result = search_with_jobs(spec, searches, on_progress, workers)
        finally:
            show.clear()
    # All files first: what was found is kept even if a replay is interrupted.
    written = [(outage, write_outage(outage, spec, out)) for outage in result.found.values()]
    if part != WHOLE:
        say(f"part {part}: {write_part(result, spec, part, asked, out)}")
    # Where another chain is named, it has to be clear which of the two is meant.
    on = f" on {confirm_on}" if confirm_on not in (None, chain) else ""
    answers: list[Confirmed] = []
    with keeping(f"what was found is in {out}"):
        for outage, path in written:
            say(*outage_lines(outage))
            print_timeline(outage)
            command = run_command(
                chain, str(path), seed=spec.seed, virtual=True, interleaving=outage.interleaving
            )
            say(f"    reproduce: {command}")
            if confirm_on is not None:
                from paychain.cli.explore_confirm import confirmed

                replayed = confirmed(confirm_on, path, outage.rule, spec)
                answers.append(replayed)
                say(f"    real run{on}: {replayed.text}")
    print(("searched " if result.found else "nothing found in ") + searched_line(result))
    if not result.found:
        print("\n".join(nothing_found_lines(result)))
    elif on:
        from paychain.cli.explore_confirm import differences_line

        print(differences_line(chain, str(confirm_on), answers))
    elif confirm_on is None:
        print("add --confirm to replay the findings on real processes")
    if result.was_interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    raise typer.Exit(ExitCode.FAIL if result.found else ExitCode.PASS)


@contextmanager
def _ctrl_c_between_schedules() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C raise only where the yielded function is called: between two schedules.

    So does SIGTERM, and the end of the terminal. In the middle of Hypothesis it could be swallowed,
    or lose what was found. A second one raises at once.
    """
    from paychain.processes.children import ending_signals

    pending: list[int] = []

    def on_signal(number: int, _: object) -> None:
        if pending:
            raise KeyboardInterrupt
        pending.append(number)

    def check() -> None:
        if pending:
            pending.clear()
            raise KeyboardInterrupt

    before = {number: signal.signal(number, on_signal) for number in ending_signals()}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _budget(text: str) -> tuple[float, int | None]:
    if text.isdigit():
        return float("inf"), int(text)
    return _duration("--budget", text, hint="or a number of schedules, e.g. 5000"), None


def _share(option: str, text: str) -> float:
    from paychain.declaration.quantity import share_of_one
    from paychain.payments.errors import UserError

    try:
        return share_of_one(text)
    except ValueError as error:
        raise UserError(f"{option}: {error}") from None


def _duration(option: str, text: str, *, hint: str = "") -> float:
    from paychain.declaration.quantity import duration_seconds
    from paychain.payments.errors import UserError

    try:
        return duration_seconds(text)
    except ValueError as error:
        raise UserError(f"{option}: {error}", hint=hint) from None


def _limit(text: str | None) -> Limit | None:
    from pydantic import TypeAdapter, ValidationError

    from paychain.model.tolerance import ShareLimit
    from paychain.payments.errors import UserError

    if text is None:
        return None
    try:
        limit: Limit = TypeAdapter(ShareLimit).validate_python(text)
    except ValidationError:
        raise UserError(f"--success: '{text}' is not a limit", hint='write ">= 90%"') from None
    return limit


def _refuse_on(service: Chain, twin: Chain, *, is_confirmed: bool) -> None:
    """Raises UserError when findings on the twin cannot be replayed on the service."""
    from paychain.payments.errors import UserError

    if not is_confirmed:
        raise UserError("--on says where findings are replayed", hint="add --confirm")
    missing = [link for link in twin.links if link not in service.links]
    if missing:
        raise UserError(
            f"--on: chain {service.chain} has no link {', '.join(missing)}",
            hint="give the chain that the twin was learned from",
        )


def _refuse_with_actions(**given: bool) -> None:
    from paychain.payments.errors import UserError

    options = [f"--{name.replace('_', '-')}" for name, is_given in given.items() if is_given]
    if options:
        raise UserError(
            f"--actions cannot be combined with {', '.join(options)}", hint="omit one of them"
        )


def _refuse_part(option: str) -> None:
    from paychain.payments.errors import UserError

    raise UserError(
        f"--part cannot be combined with {option}", hint="give each machine another --seed"
    )


def _refuse_cluster(option: str) -> None:
    from paychain.payments.errors import UserError

    raise UserError(f"--cluster cannot be combined with {option}", hint="omit one of them")


def _explore_actions(spec: SearchSpec) -> None:
    from paychain.explore.actions import explore_actions
    from paychain.payments.rules import RULES

    with _ctrl_c_between_schedules() as check_ctrl_c:
        acted = explore_actions(spec, check_ctrl_c)
    found = acted.found
    if found is not None:
        say(f"✕ {RULES[found.rule].title.lower()}: {found.text}")
        say(*(f"    {step}" for step in found.steps))
    print(
        f"{'searched' if found is not None else 'no sequence of actions broke a rule in'} "
        f"{acted.scripts:,} scripts, in {acted.took_s:.1f} s"
    )
    if acted.was_interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    raise typer.Exit(ExitCode.FAIL if found is not None else ExitCode.PASS)
