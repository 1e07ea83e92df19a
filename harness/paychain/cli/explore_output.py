"""What a search prints while it runs, and a payment's timeline for each outage it found."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paychain.cli.say import say
from paychain.declaration.quantity import count
from paychain.explore.result import SearchResult, SmallestOutage
from paychain.explore.starts import scheduled
from paychain.report.result import PaymentTimeline
from paychain.report.text.payment_timeline import timeline_of

TERMINAL_EVERY_S, LOG_EVERY_S = 0.5, 5.0  # between two progress lines
MAX_PROGRESS_WIDTH = 110  # characters; a longer line would wrap and could not be redrawn
MAX_TIMELINE_LINES = 24  # of one payment: what does not fit a screen is not read
MIN_OTHERS = 4  # lines beside money, faults and the customer, however many of those there are
CLEAR_LINE = "\r\x1b[K"
# docs/explore.md: the planted bug that is hardest to find took so many schedules with 20 seeds.
SLOWEST_FIND, ENOUGH_SCHEDULES = 1_120, 2_000


class ProgressLine:
    """Prints a line every few seconds; on a terminal redraws one, and clears it at the end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._clock = clock
        self._printed_s: float | None = None

    def show(self, line: Callable[[], str]) -> None:
        """Print the line that `line` returns, unless the last one is recent."""
        now_s = self._clock()
        every_s = TERMINAL_EVERY_S if self._is_terminal else LOG_EVERY_S
        if self._printed_s is not None and now_s - self._printed_s < every_s:
            return
        self._printed_s = now_s
        text = line()
        if self._is_terminal:
            text = f"{CLEAR_LINE}{text[:MAX_PROGRESS_WIDTH]}"
        print(text, end="" if self._is_terminal else "\n", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Leave an empty line on a terminal: what is printed next begins there."""
        if self._is_terminal and self._printed_s is not None:
            print(CLEAR_LINE, end="", file=sys.stderr, flush=True)


class SearchProgress(ProgressLine):
    """What a search in virtual time has done so far."""

    def __call__(self, result: SearchResult) -> None:
        """Print it, unless the last line is recent."""
        self.show(lambda: _progress(result))


def _progress(result: SearchResult) -> str:
    minimising = f"; minimising {result.best}" if result.best else ""
    return (
        f"{count(result.schedules, 'schedule')}, {result.rate:,.0f} per minute, "
        f"{len(result.found)} found{minimising}"
    )


@dataclass(frozen=True)
class TimelineMoment:
    """One line of a timeline. `is_key`: money, a fault or what the customer saw; never left out."""

    at_ms: float
    text: str
    is_key: bool


def print_timeline(outage: SmallestOutage) -> None:
    """The timeline of an order that shows it: failures, money, and what the customer saw."""
    timelines = [
        (story.customer.intended_ns, timeline)
        for story in outage.stories
        if story.customer is not None and (timeline := timeline_of(story)) is not None
    ]
    if not timelines:
        return
    names = [timeline.payment for _, timeline in timelines]
    whole = f", {len(names)} payments of one order" if len(names) > 1 else ""
    say(f"    timeline of {', '.join(names)}, {timelines[0][1].why}{whole}:")
    moments = order_moments(timelines, switches_of(outage))
    say(*(f"    {line}" for line in timeline_lines(moments)))
    if len(moments) > MAX_TIMELINE_LINES:
        command = f"paychain show payment RUN {names[-1]}"
        say(f"    the whole timeline: run the line below, then {command}")


def switches_of(outage: SmallestOutage) -> list[tuple[int, str]]:
    """When its faults were injected and healed, in ns on the run's clock, in words."""
    return [
        (
            switch.effective_ns,
            f"fault {switch.fault} {switch.action}: "
            f"{scheduled(switch.fault, outage.schedule)[0].choice}",
        )
        for switch in outage.switches
    ]


def order_moments(
    timelines: Sequence[tuple[int, PaymentTimeline]], switched: Sequence[tuple[int, str]]
) -> list[TimelineMoment]:
    """The moments of all payments of an order, each with the ns at which it began, by time.

    Times are from the start of the first payment. With several payments each line names its own.
    """
    began_ns = min(at_ns for at_ns, _ in timelines)
    moments = [TimelineMoment((at_ns - began_ns) / 1e6, text, True) for at_ns, text in switched]
    for at_ns, timeline in timelines:
        later_ms = (at_ns - began_ns) / 1e6
        name = f"{timeline.payment} " if len(timelines) > 1 else ""
        moments += [
            TimelineMoment(
                later_ms + (event.until_ms if event.until_ms is not None else event.at_ms),
                f"{name}{event.link}: {event.text}",
                event.kind in ("money", "customer"),
            )
            for event in timeline.events
            if event.is_bad or event.kind in ("money", "customer")
        ]
    return sorted(moments, key=lambda moment: moment.at_ms)


def timeline_lines(moments: Sequence[TimelineMoment]) -> list[str]:
    """A payment's moments that fit a screen: all that is key, and the first of the others."""
    others = [moment for moment in moments if not moment.is_key]
    room = max(MIN_OTHERS, MAX_TIMELINE_LINES - (len(moments) - len(others)))
    # Retries and refused calls repeat: the first ones show what went wrong.
    hidden = (
        {id(moment) for moment in others[room:]} if len(moments) > MAX_TIMELINE_LINES else set()
    )
    lines: list[str] = []
    skipped = 0
    for moment in moments:
        if id(moment) in hidden:
            skipped += 1
            continue
        lines += _skipped(skipped)
        skipped = 0
        lines.append(f"{moment.at_ms:9,.0f} ms  {moment.text}")
    return lines + _skipped(skipped)


def _skipped(number: int) -> list[str]:
    return [f"              … {count(number, 'other event')} not shown"] * (number > 0)


def nothing_found_lines(result: SearchResult) -> list[str]:
    """What it means that a search found nothing: never that the chain is sound."""
    if result.was_interrupted:
        return []
    if result.schedules < ENOUGH_SCHEDULES:
        be = "is" if result.schedules == 1 else "are"
        return [
            f"{count(result.schedules, 'schedule')} {be} too few to rely on: known bugs took up to "
            f"{SLOWEST_FIND:,} to find; search more with --budget {ENOUGH_SCHEDULES}"
        ]
    return ["no schedule broke a rule: evidence, not proof"]
