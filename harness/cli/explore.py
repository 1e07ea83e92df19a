"""paychain explore: search for the smallest outage that costs money."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.explore.search import Found, Order, Searched, Told
    from harness.model.tolerance import Limit

FOUND = 1
INTERRUPTED = 130
SHOW_S = 0.5
STORY_LINES = 24


def explore(
    chain: Annotated[str, typer.Argument(help="name of a chain, or path of its file")],
    budget: Annotated[
        str, typer.Option(help="how long, such as 20s, or how many schedules, such as 5000")
    ] = "20s",
    rule: Annotated[
        list[str] | None, typer.Option(help="a money rule by id, or run_ends; all without it")
    ] = None,
    success: Annotated[
        str | None, typer.Option(help='also a technical success that must hold: ">= 90%"')
    ] = None,
    works_again: Annotated[
        str | None, typer.Option(help="also that no payment fails so long after the last heal: 1s")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option(help="a fault kind; all without it")] = None,
    payments: Annotated[int, typer.Option(min=1, max=1_000, help="in each schedule")] = 20,
    interleavings: Annotated[
        bool, typer.Option("--interleavings", help="also search the order of events: races")
    ] = False,
    actions: Annotated[
        bool, typer.Option("--actions", help="search operators' actions: strike, heal, pay, settle")
    ] = False,
    seed: Annotated[int, typer.Option(help="repeats the search")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="searches at once, each with its own seed")] = 1,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="replay what was found on real processes")
    ] = False,
    out: Annotated[Path, typer.Option(help="where found experiments are written")] = Path(
        "chaos/found"
    ),
) -> None:
    """Search fault schedules in virtual time; exit 1 when a rule was broken.

    Example: paychain explore card-gives-up --budget 20s --rule no_double_charge
    """
    from harness.explore.found import found_lines, searched_line, write_found
    from harness.explore.jobs import search_with_jobs
    from harness.explore.judged import SUCCESS, WORKS_AGAIN
    from harness.explore.search import Order
    from harness.model.loading import load_chain

    loaded = load_chain(chain)
    seconds, most = _budget(budget)
    rules = tuple(rule or ())
    if rules:  # what is asked for beside them is looked for, too
        rules += (SUCCESS,) * (success is not None) + (WORKS_AGAIN,) * (works_again is not None)
    order = Order(
        loaded.model, seed=seed, budget_s=seconds, most=most, payments=payments,
        rules=rules, kinds=tuple(kind or ()), success=_limit(success),
        works_again_s=_duration("--works-again", works_again) if works_again else None,
        interleavings=interleavings, database=out / ".examples",
    )  # fmt: skip
    if actions:
        _refuse_with_actions(
            jobs=jobs > 1,
            confirm=confirm,
            interleavings=interleavings,
            success=success is not None,
            works_again=works_again is not None,
        )
        _explore_actions(order)
        return
    show = _progress()
    with _heard_between() as look:
        searched = search_with_jobs(order, jobs, lambda so_far: (show(so_far), look())[-1])
    written = [(one, write_found(one, order, out)) for one in searched.found.values()]
    for one, path in written:
        print("\n".join(found_lines(one)))
        _tell(one)
        again = f" --interleaving {one.interleaving}" if one.interleaving else ""
        words = shlex.join(["paychain", "run", chain, str(path), "--seed", str(seed)])
        print(f"    replay: {words} --virtual{again}")
        if confirm:
            print(f"    real run: {_confirmed(chain, path, one.rule, order)}")
    print(("nothing found in " if not searched.found else "searched ") + searched_line(searched))
    if searched.found and not confirm:
        print("add --confirm to replay what is found on real processes")
    if searched.was_interrupted:
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(FOUND if searched.found else 0)


@contextmanager
def _heard_between() -> Iterator[Callable[[], None]]:
    """Ctrl-C raises where the yielded function is called, between two schedules, and not in the
    midst of Hypothesis, which may lose it or what was found. A second one raises at once."""
    waiting: list[int] = []

    def hear(number: int, _: object) -> None:
        if waiting:
            raise KeyboardInterrupt
        waiting.append(number)

    def look() -> None:
        if waiting:
            waiting.clear()
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield look
    finally:
        signal.signal(signal.SIGINT, before)


def _budget(text: str) -> tuple[float, int | None]:
    if text.isdigit():
        return float("inf"), int(text)
    return _duration("--budget", text, mend="or a number of schedules, such as 5000"), None


def _duration(option: str, text: str, *, mend: str = "") -> float:
    from harness.model.quantity import duration_seconds
    from harness.payments.errors import UserError

    try:
        return duration_seconds(text)
    except ValueError as error:
        raise UserError(f"{option}: {error}", mend=mend) from None


def _limit(text: str | None) -> Limit | None:
    from pydantic import TypeAdapter, ValidationError

    from harness.model.tolerance import ShareLimit
    from harness.payments.errors import UserError

    if text is None:
        return None
    try:
        limit: Limit = TypeAdapter(ShareLimit).validate_python(text)
    except ValidationError:
        raise UserError(f"--success: '{text}' is not a limit", mend='write ">= 90%"') from None
    return limit


def _progress() -> Told:
    """A line now and then, redrawn on a terminal."""
    import sys
    import time

    shown = [0.0, 0.0]  # when last, and whether anything stands on the line

    def told(searched: Searched) -> None:
        now = time.monotonic()
        if now - shown[0] < (SHOW_S if sys.stderr.isatty() else 5.0):
            return
        shown[0] = now
        line = (
            f"{searched.schedules:,} schedules, {searched.rate:,.0f} a minute, "
            f"{len(searched.found)} found"
        )
        if searched.best:
            line += f"; best so far: {searched.best}"
        if sys.stderr.isatty():
            print(f"\r\x1b[K{line[:110]}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    return told


def _tell(found: Found) -> None:
    """The story of a payment that shows it: what moved money or went wrong, and what was told."""
    from harness.report.story import tell

    if found.story is None or found.story.customer is None:
        return
    began_ns = found.story.customer.intended_ns
    story = tell(found.story)
    assert story is not None  # its customer is known
    print(f"    the story of {story.payment}, {story.why}:")
    moments = [
        (one.until_ms if one.until_ms is not None else one.at_ms, f"{one.link}: {one.text}")
        for one in story.moments
        if one.is_bad or one.kind in ("money", "told")
    ]
    for switch in found.switches:
        strike = found.schedule[int(switch.fault.removeprefix("f")) - 1].strike
        at_ms = (switch.effective_ns - began_ns) / 1e6
        moments.append((at_ms, f"fault {switch.fault} {switch.action}: {strike}"))
    for at_ms, text in sorted(moments, key=lambda one: one[0])[:STORY_LINES]:
        print(f"    {at_ms:9,.0f} ms  {text}")
    if len(moments) > STORY_LINES:
        print(f"    … and {len(moments) - STORY_LINES} more: paychain show payment RUN ID")


def _confirmed(chain: str, path: Path, rule: str, explored: Order) -> str:
    """Whether a found experiment breaks its rule on real processes, too."""
    import tempfile

    from harness import conductor
    from harness.analysis.store import RunStore
    from harness.explore.judged import WORKS_AGAIN, failed_late
    from harness.model.loading import load_chain, load_experiment
    from harness.order import Order as RunOrder
    from harness.progress import Silent

    loaded = load_chain(chain)
    with tempfile.TemporaryDirectory() as scratch:
        wanted = load_experiment(str(path), loaded.model)
        order = RunOrder(loaded, wanted, Path(scratch), explored.seed, None, "")
        finished = conductor.run(order, Silent())
        store = RunStore.open(finished.folder / "run.db")
        late = list(failed_late(store, explored.works_again_s))
        store.close()
    result = finished.result
    broken = {one.rule: one.findings for one in result.money.rules if one.findings}
    if result.verdict == "inconclusive":
        return f"inconclusive: {'; '.join(result.reasons)}"
    if rule in broken:
        return f"reproduced: {broken[rule]} payment{'s' * (broken[rule] != 1)}"
    if rule == WORKS_AGAIN and late:
        return f"reproduced: {late[0].payments} payment{'s' * (late[0].payments != 1)}"
    if any(one.measure == rule and one.passed is False for one in result.tolerances):
        return "reproduced"
    return "did not reproduce" + (f"; broke {', '.join(broken)} instead" if broken else "")


def _refuse_with_actions(**given: bool) -> None:
    from harness.payments.errors import UserError

    options = [f"--{name.replace('_', '-')}" for name, is_given in given.items() if is_given]
    if options:
        raise UserError(
            f"--actions does not go with {', '.join(options)}", mend="search without one of them"
        )


def _explore_actions(order: Order) -> None:
    from harness.explore.actions import explore_actions
    from harness.payments.rules import RULES

    with _heard_between() as look:
        acted = explore_actions(order, look)
    found = acted.found
    if found is not None:
        print(f"✕ {RULES[found.rule][0].lower()}: {found.text}")
        print("\n".join(f"    {step}" for step in found.steps))
    print(
        f"{'searched' if found is not None else 'no sequence of actions broke a rule in'} "
        f"{acted.scripts:,} scripts, in {acted.took_s:.1f} s"
    )
    if acted.was_interrupted:
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(FOUND if found is not None else 0)
