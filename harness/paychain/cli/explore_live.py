"""paychain explore --live: prints what a search on a running chain does and finds."""

from __future__ import annotations

import signal
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paychain.advice.advise import rule_with_remedies
from paychain.advice.case import Case
from paychain.analysis.measures.measures import MoneyRule
from paychain.cli.exit_codes import ExitCode
from paychain.cli.explore_output import (
    MAX_TIMELINE_LINES,
    ProgressLine,
    order_moments,
    timeline_lines,
)
from paychain.cli.say import say
from paychain.declaration.quantity import count
from paychain.environment.real import RealChain
from paychain.environment.running_chain import RunningChain
from paychain.explore.live.files import recall, remember, write_found
from paychain.explore.live.parts import write_live_part
from paychain.explore.live.remedies import service_remedies
from paychain.explore.live.result import FoundScript, LiveResult, LiveSpec, words_of
from paychain.explore.live.search import LiveSearch
from paychain.explore.live.steps import Steps, step_choices
from paychain.model.chain import Chain
from paychain.model.loading import Loaded
from paychain.model.review import review
from paychain.payments.errors import UserError
from paychain.processes.children import ending_signals
from paychain.processes.part import WHOLE
from paychain.processes.scratch import scratch_folder
from paychain.report.text.payment_timeline import timeline_of
from paychain.runs.spec import run_command

MAX_KNOWN_WORDS = 3  # of the scripts of earlier searches, those that are shown in words
ENOUGH_SCRIPTS = 500  # fewer leave most combinations of two steps untried


def explore_live(loaded: Loaded[Chain], spec: LiveSpec, *, chain: str, out: Path) -> ExitCode:
    """Search, print what was found, and write it into `out`.

    Raises UserError; where something was found before, that is kept and the error printed.
    """
    declared = loaded.model
    known = recall(declared, step_choices(declared), out)
    if known:
        say(known_line(known))
    with _interrupted_by_signals() as is_over:
        result, failure = _searched(loaded, spec, known)
        is_over()
        # All files first: what was found is kept whatever comes.
        paths = {rule: write_found(found, declared, out) for rule, found in result.found.items()}
        remember(result.found.values(), known, declared, out)
        if spec.part != WHOLE:
            file = write_live_part(
                result,
                spec,
                declared.chain,
                files={
                    rule: (paths[rule], found_lines(found)) for rule, found in result.found.items()
                },
                warnings=warning_lines(result),
                search=_asked(loaded, spec),
                folder=out,
            )
            say(f"part {spec.part}: {file}")
    for rule, found in result.found.items():
        say(*found_lines(found))
        _print_timeline(found)
        say(*_remedies(found, loaded))
        say(f"    reproduce: {run_command(chain, str(paths[rule]), seed=spec.seed)}")
    say(summary_line(result), *warning_lines(result))
    if failure is not None:
        say(f"✕ the search ended early: {failure}")
    if not result.found:
        say(*nothing_found_lines(result))
    if result.was_interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.FAIL if result.found or result.deaths else ExitCode.PASS


def _searched(
    loaded: Loaded[Chain], spec: LiveSpec, known: Sequence[Steps]
) -> tuple[LiveResult, UserError | None]:
    """What a search found, and the error that ended it, if one did.

    Raises UserError where nothing was found before.
    """
    show = LiveProgress()
    with scratch_folder() as scratch:
        search = LiveSearch(
            loaded.model,
            spec,
            _opener(loaded, spec, scratch),
            known=known,
            on_progress=show,
        )
        try:
            search.run()
        except KeyboardInterrupt:  # while it stopped
            search.result.was_interrupted = True
        except UserError as error:  # the chain could not be started again, say
            if not search.result.found:
                raise
            return search.result, error
        finally:
            show.clear()
    return search.result, None


def known_line(known: Sequence[Steps]) -> str:
    """Which scripts come first: those that broke a rule in an earlier search."""
    number = f"{count(len(known), 'script')} of earlier searches"
    return f"trying {number} first: {'; or '.join(map(words_of, known[:MAX_KNOWN_WORDS]))}" + (
        "; …" if len(known) > MAX_KNOWN_WORDS else ""
    )


def death_lines(deaths: Sequence[str]) -> list[str]:
    """Own services that ended by themselves, each way to end once, with the last lines."""
    ways: defaultdict[str, list[str]] = defaultdict(list)
    for words in deaths:
        ways[words.partition("\n")[0]].append(words)
    return [
        f"✕ {of_way[0]}" + (f"\n    {count(len(of_way), 'time')} in all" if len(of_way) > 1 else "")
        for of_way in ways.values()
    ]


def _asked(loaded: Loaded[Chain], spec: LiveSpec) -> dict[str, str]:
    """What the parts of one search have in common."""
    return {
        "live": "True",
        "chain": loaded.sha256,
        "seed": str(spec.seed),
        "for": str(spec.budget_s),
        "scripts": str(spec.max_scripts),
        "rules": " ".join(sorted(spec.rules)),
        "outages": str(spec.outage_share),
    }


def _opener(loaded: Loaded[Chain], spec: LiveSpec, scratch: Path) -> Callable[[], RunningChain]:
    """What starts the chain, each time in a folder of its own."""
    number = 0

    def open_chain() -> RunningChain:
        nonlocal number
        number += 1
        folder = scratch / str(number)
        folder.mkdir()
        return RealChain(loaded, folder, seed=spec.seed)

    return open_chain


@contextmanager
def _interrupted_by_signals() -> Iterator[Callable[[], None]]:
    """Let a request to end be Ctrl-C: what was found is kept.

    Once the function that it gives is called, nothing interrupts any more: files are written.
    """
    is_over = False

    def interrupt(*_: Any) -> None:
        if not is_over:
            raise KeyboardInterrupt

    def end() -> None:
        nonlocal is_over
        is_over = True

    before = {number: signal.signal(number, interrupt) for number in ending_signals()}
    try:
        yield end
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class LiveProgress(ProgressLine):
    """What a search on a running chain has done so far."""

    def __call__(self, result: LiveResult) -> None:
        """Print it, unless the last line is recent."""
        self.show(lambda: _progress(result))


def _progress(result: LiveResult) -> str:
    doing = f"; {result.doing}" if result.doing else ""
    return (
        f"{count(result.scripts, 'script')}, {count(result.requests, 'request')}, "
        f"{result.rate:,.0f} scripts per minute, {len(result.found)} found{doing}"
    )


def found_lines(found: FoundScript) -> list[str]:
    """One broken rule for a terminal."""
    lines = [f"✕ {found.title.lower()}: {found.finding.text}"]
    if found.steps or found.outage is not None:
        lines.append(f"    smallest script: {found.words}")
        lines.append(
            "    minimal: no simpler script broke the rule"
            if found.is_minimal
            else "    not minimal: the search ended while it was minimised"
        )
    else:
        lines.append("    no failure is needed: payments without a script break it")
    if found.reproduced is None:
        lines.append("    not reproduced: the search ended first")
    else:
        lines.append(
            f"    reproduced by {found.reproduced} of {found.alone} "
            f"{'fresh payments, alone' if found.outage is None else 'such outages'}"
        )
    if not found.at_script:  # the first outage comes before them
        return [*lines, "    found before the first script"]
    return [*lines, f"    found with script {found.at_script:,}"]


def _print_timeline(found: FoundScript) -> None:
    """The timeline of the order that shows it."""
    timelines = [
        (story.customer.intended_ns, timeline)
        for story in found.stories
        if story.customer is not None and (timeline := timeline_of(story)) is not None
    ]
    if not timelines:
        return
    names = ", ".join(timeline.payment for _, timeline in timelines)
    say(f"    timeline of {names}, {timelines[0][1].why}:")
    moments = order_moments(timelines, [])
    say(*(f"    {line}" for line in timeline_lines(moments)))
    if len(moments) > MAX_TIMELINE_LINES:
        say("    the whole timeline: run the line below, then paychain show payment")


def _remedies(found: FoundScript, loaded: Loaded[Chain]) -> Iterator[str]:
    rule = MoneyRule(
        rule=found.rule,
        title=found.title,
        findings=1,
        amount=found.finding.amount_minor,
        payments=[],
    )
    own = " and ".join(loaded.model.own_services())
    remedies = service_remedies(found, own) if own else []
    case = Case(chain=loaded, review=review(loaded))
    remedies += map(str, rule_with_remedies(rule, case).remedies)
    for remedy in remedies:
        yield f"    remedy: {remedy}"


def summary_line(result: LiveResult) -> str:
    """How much was searched; when Ctrl-C came first, that nothing was."""
    if result.was_interrupted and not (result.scripts or result.found):
        return f"interrupted after {result.took_s:.1f} s, before any script ran"
    return ("searched " if result.found else "nothing found in ") + searched_line(result)


def searched_line(result: LiveResult) -> str:
    """`1,240 scripts (310 of them changed something), 9,811 requests, …, in 60.1 s (…)`."""
    return (
        f"{count(result.scripts, 'script')} ({result.met:,} of them changed something), "
        f"{count(result.requests, 'request')}, {count(result.controls, 'payment')} without a "
        f"script, in {result.took_s:.1f} s ({result.rate:,.0f} scripts per minute; a payment "
        f"without one takes {1000 * result.payment_s:,.0f} ms)"
    )


def warning_lines(result: LiveResult) -> Sequence[str]:
    """What a reader must know of how the search went."""
    lines = [
        f"⚠ {count(number, 'payment')} without a script broke {rule} next to scripted ones, and "
        "none did alone: payments affect each other, or the machine was too busy"
        for rule, number in result.coupled.items()
    ]
    lines += [
        f"⚠ not reproduced: {script} broke {rule} once, and not on a chain that was started "
        "afresh; state left in the service by other payments may be the cause"
        for rule, script in result.doubtful.items()
    ]
    if result.spaced:
        lines.append(
            f"⚠ payments without a script failed technically: batches were spaced "
            f"{count(result.spaced, 'time')}"
        )
    if result.restarts:
        lines.append(f"⚠ the chain was started again {count(result.restarts, 'time')}")
    lines += death_lines(result.deaths)
    if result.undecided:
        lines.append(
            f"⚠ {count(result.undecided, 'order')} not decided: still in progress when the drain "
            "of their batch ended (settles_within)"
        )
    return lines


def nothing_found_lines(result: LiveResult) -> list[str]:
    """What it means that a search found nothing: never that the service is sound."""
    if result.was_interrupted:
        return []
    if result.scripts < ENOUGH_SCRIPTS:
        scripts = count(result.scripts, "script")
        be = "is" if result.scripts == 1 else "are"
        return [f"{scripts} {be} too few to rely on: search longer with --for"]
    return ["no script broke a rule: evidence, not proof"]
