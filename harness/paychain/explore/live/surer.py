"""Scripts that may break a rule each time where one of as many steps does so now and then.

What a service does at a webhook and at another request meets by chance, depending on how busy the
machine is. A step that lets a webhook arrive during a request makes an order of events of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from paychain.explore.live.judged import Batch, Judged
from paychain.explore.live.steps import StepChoice, Steps, fits, in_order, simpler, size

MAX_SURER = 3  # that are minimised and reproduced in place of an unsure one: each takes its time


def may_be_surer(
    steps: Steps, suspects: Iterable[Steps], choices: Sequence[StepChoice], most: int
) -> list[Steps]:
    """Scripts to try, the simplest first: those that broke the rule, and those that let meet.

    `suspects`: scripts that broke it. `most`: as many as there is room for, meetings before others.
    """
    meeting = dict.fromkeys(_with_meetings(steps, choices))
    as_short = {each for each in suspects if len(each) == len(steps)}
    others = sorted(as_short - meeting.keys() - {steps}, key=size)
    return sorted([*meeting, *others][:most], key=size)


def surer(
    batch: Batch,
    rule: str,
    scripts: Sequence[Steps],
    unsure: Steps,
    choices: Sequence[StepChoice],
) -> list[Judged]:
    """An order for each script that always broke a rule, and may replace an unsure one.

    Where the unsure one is one step simpler, minimising would only lead back to it.
    """
    found = []
    for steps in scripts:
        telling = [order for order in batch.orders if order.steps == steps and order.tells]
        is_always = len(telling) > 1 and all(rule in order.broken for order in telling)
        if is_always and unsure not in simpler(steps, choices):
            found.append(telling[0])
    return found[:MAX_SURER]


def _with_meetings(steps: Steps, choices: Sequence[StepChoice]) -> Iterator[Steps]:
    """The script with a webhook that meets a request in the place of one of its steps."""
    for place in range(len(steps)):
        others = (*steps[:place], *steps[place + 1 :])
        for choice in choices:
            if choice.is_meeting and fits((*others, choice)):
                yield in_order((*others, choice))
