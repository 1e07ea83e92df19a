"""Steps that a search can use in a failure script, and when one script is simpler than another.

The order: one script is simpler than another when it has fewer steps; with as many, when their
kinds are simpler, summed; with kinds as simple, when the numbers of their requests are smaller,
summed; then when its times are shorter, summed. `size` is that order as integers from 0 on,
compared from the left: no sequence of ever simpler scripts goes on forever, so minimising ends.
Every one-step-simpler variant has a smaller size (`simpler` asserts it).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from paychain.declaration.quantity import duration_text
from paychain.faults.kind import RequestFaultKind, Search
from paychain.faults.kinds import KINDS
from paychain.model.chain import Chain
from paychain.model.lifecycle import Webhooks
from paychain.model.operations import LOOKS
from paychain.model.paid_at import ways_to_pay
from paychain.model.roles import ROLES
from paychain.model.script_checks import check_steps, operations_at, senders_of
from paychain.model.scripts import Script

DELAYS_MS = (1_000, 4_000)  # of what is late or slow: within and beyond usual timeouts
NUMBERS = (1, 2, 3)  # which request of a payment
EVENTS = (1, 2, 3, 4, 5, 6)  # which webhook: two of a hold, two of a capture, two of a refund
HELD_MS = 3_000  # how long a request is stuck
# Kinds that a search draws in scripts alone, after all others: on a whole link they would change
# too much at once to say what broke a rule.
_OF_SCRIPTS: Mapping[str, Search] = {
    "duplicate_request": Search(rank=16),
    "rate_limit": Search(rank=18, fixed={"rate": "1/s"}),
    "wrong_answer": Search(rank=19),
    "stale_answer": Search(rank=23),
}
# Of each kind that is searched, what it is searched with, the simplest first. An error after the
# work is the one that a caller takes for a refusal.
_VARIANTS: Mapping[str, tuple[dict[str, Any], ...]] = {
    "http_error": ({"status": 503}, {"status": 500, "after_work": True}),
    "duplicate_request": ({}, {"after": "1s"}),
    "wrong_answer": tuple(
        {"says": says} for says in ("declined", "approved", "another_amount", "another_payment")
    ),
}
# Operations that carry no payment of their own, or that somebody's customer starts.
_NOT_SEARCHED = frozenset({"pay", "forward", "notify"})
# Nobody declines a question: an answer that says "declined" is a wrong one, and searched as such.
_NOT_OF_QUERIES, _QUERIES = frozenset({"decline"}), frozenset({"query", *LOOKS})
_ORDER = "{order}"  # the placeholder in how an own service is paid
_WEBHOOKS = ("twice", "late", "out_of_order", "before_answer", "dropped")
# What both a return page and a webhook of the hold make a service ask for: they may come together.
_MEETING = "capture"
_RETRIES_AFTER = 0.35  # of the deadline: the customer has patience for a second try
_LINGERS = 0.6  # of the deadline: longer than a service gives a customer at the bank's page
_LEAVES_AFTER_S = 0.05  # before most services have answered
_AROUND_S = 0.1  # a webhook: as long as most services take to capture
_RANK_OF_WEBHOOKS = 30  # above every kind of fault: a request is simpler to imagine
_RANK_OF_CUSTOMERS = 40

Place = tuple[str, ...]  # ("link", name, operation), ("webhook", name) or ("customer", what)
DECLINED: Place = ("customer", "pays_again")  # asked for by each payment that is shown as declined
_RETRIES: Place = ("customer", "retry")
_LEAVES: Place = ("customer", "leaves")
Size = tuple[int, int, int, int]  # steps; ranks, numbers and milliseconds, each summed


@dataclass(frozen=True)
class StepChoice:
    """One step as a search handles it.

    `place`: what it is for, without the number: steps of one place differ in kind only. `name`:
    its kind and parameters, without a time. `ms`: its time, 0 without one.
    """

    place: Place
    name: str
    rank: int
    number: int = 1
    ms: int = 0
    keys: tuple[tuple[str, Any], ...] = field(default=(), compare=False)

    @property
    def is_customers(self) -> bool:
        """It is about what the customer does."""
        return self.place[0] == "customer"

    @property
    def follows_decline(self) -> bool:
        """It is what a customer does who sees a decline: nothing without one."""
        return self.place == DECLINED

    @property
    def is_meeting(self) -> bool:
        """It lets a webhook and a request meet, whatever the machine is busy with."""
        return any(key == "during" for key, _ in self.keys)

    def declared(self) -> dict[str, Any]:
        """The step as an experiment file writes it."""
        subject = self.place[0]
        written: dict[str, Any] = {}
        # Without an operation any request at the link counts.
        if subject == "link":
            written = dict(zip(("link", "operation"), self.place[1:], strict=False))
            written |= {"request": self.number} if self.number > 1 else {}
        elif subject == "webhook":
            written = {"webhook": self.place[1]}
            written |= {"event": self.number} if self.number > 1 else {}
        return written | {key: self._timed(value) for key, value in self.keys}

    def _timed(self, value: Any) -> Any:
        """A value with its time filled in."""
        if isinstance(value, dict):
            return {key: self._timed(each) for key, each in value.items()}
        return duration_text(self.ms / 1000) if value is _TIME else value


class _Time:
    """Stands where a step's own time is written."""


_TIME = _Time()
Steps = tuple[StepChoice, ...]


def size(steps: Steps) -> Size:
    """The order of scripts: the smaller size is the simpler script."""
    return (
        len(steps),
        sum(step.rank for step in steps),
        sum(step.number for step in steps),
        sum(step.ms for step in steps),
    )


def script_of(steps: Steps, name: str = "found") -> Script:
    """The script with these steps. There has to be one at least."""
    return Script.model_validate({"id": name, "steps": [step.declared() for step in steps]})


def step_choices(chain: Chain) -> list[StepChoice]:
    """Every step that a chain can have, as `paychain check` sees it.

    Those about first requests come first, and of them the simplest.
    """
    choices = [*_at_links(chain), *_of_webhooks(chain), *_of_customers(chain)]
    fit = [step for step in choices if not list(check_steps(script_of((step,)), 0, chain))]
    # Of one size in the order in which the chain declares the links.
    return sorted(fit, key=lambda step: (step.number, size((step,))))


def searched_links(chain: Chain) -> list[str]:
    """The mocks whose requests a search scripts: those that own services call, in any chain of own
    services. What our mocks make of a failure behind them is not the service's.
    """
    mocks = [name for name, link in chain.links.items() if link.service is None]
    called = {callee for name in chain.own_services() for callee in chain.callees_of(name)}
    mocks = [name for name in mocks if name in called] if called else mocks
    return [name for name in mocks if not ROLES[chain.links[name].role].only_forwards]


def _at_links(chain: Chain) -> Iterator[StepChoice]:
    for link in searched_links(chain):
        for operation in operations_at(chain, link):
            if operation in _NOT_SEARCHED:
                continue
            for name, rank, keys in _kinds():
                if name in _NOT_OF_QUERIES and operation in _QUERIES:
                    continue
                for number in NUMBERS:
                    place = ("link", link, operation)
                    yield from _with_times(StepChoice(place, name, rank, number, 0, keys))


def _kinds() -> Iterator[tuple[str, int, tuple[tuple[str, Any], ...]]]:
    """Every kind of one request that is searched: a name, its rank, and its keys."""
    for name, kind in KINDS.items():
        search = _OF_SCRIPTS.get(name, kind.facts.search)
        if search is None or not issubclass(kind, RequestFaultKind):
            continue
        held = (("for", duration_text(HELD_MS / 1000)),) if kind.holds_requests else ()
        timed: dict[str, Any] = {search.magnitude: _TIME} if search.magnitude else {}
        for number, variant in enumerate(_VARIANTS.get(name, (dict(search.fixed),))):
            title = f"{name} {number}" if number else name
            yield title, search.rank + number, ((name, {**variant, **timed}), *held)


def _with_times(step: StepChoice) -> Iterator[StepChoice]:
    """The step with each time that it can have; as it is where it has none."""
    if not _has_time(dict(step.keys)):
        yield step
        return
    for ms in DELAYS_MS:
        yield StepChoice(step.place, step.name, step.rank, step.number, ms, step.keys)


def _has_time(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_time, value.values()))
    return value is _TIME


def _of_webhooks(chain: Chain) -> Iterator[StepChoice]:
    searched = searched_links(chain)
    for link in filter(searched.__contains__, senders_of(chain)):
        for rank, name in enumerate(_WEBHOOKS, start=_RANK_OF_WEBHOOKS):
            for number in EVENTS:
                keys = ((name, {"by": _TIME} if name == "late" else {}),)
                yield from _with_times(StepChoice(("webhook", link), name, rank, number, 0, keys))
        if _MEETING in operations_at(chain, link):
            rank = _RANK_OF_WEBHOOKS + len(_WEBHOOKS)
            during = (("during", {"operation": _MEETING}),)
            for number in NUMBERS:
                yield StepChoice(("webhook", link), f"during {_MEETING}", rank, number, 0, during)


def _of_customers(chain: Chain) -> Iterator[StepChoice]:
    after = duration_text(round(chain.deadline * _RETRIES_AFTER, 3))
    leaves = duration_text(_LEAVES_AFTER_S)
    does: list[tuple[str, str, dict[str, Any]]] = [
        ("presses_twice", "same", {"after": "50ms", "key": "same"}),
        ("presses_twice", "new", {"after": "50ms", "key": "new"}),
        ("retry", "same", {"after": after, "key": "same"}),
        ("retry", "new", {"after": after, "key": "new"}),
        ("leaves", "", {"after": "500ms", "returns_after": "2s"}),
        ("leaves", "for good", {"after": leaves}),
    ]
    # Back when the first webhook is due, or just before or after: return page and webhook then come
    # at the same moment, or one shortly after the other.
    due_s = sorted({webhooks.delay.median for webhooks in _searched_webhooks(chain)})
    does += [
        ("leaves", f"until {duration_text(round(back_s, 6))}", {"after": leaves} | _back(back_s))
        for apart_s in (0.0, -_AROUND_S, _AROUND_S)
        for due in due_s
        if due > _LEAVES_AFTER_S and (back_s := due + apart_s) > _LEAVES_AFTER_S
    ]
    does += [
        ("pays_again", f"with {card} card", {"after": "1s", "card": card})
        for card in ("same", "another")
    ]
    ways = ways_to_pay(chain)
    if any(len(pays.every_step) > 1 for pays in ways):
        does.append(("lingers", "", {"for": duration_text(round(chain.deadline * _LINGERS, 3))}))
    if any(pays.names_amount_again for pays in ways):
        does.append(("tampers", "", {}))
    knows_orders = _knows_orders(chain)
    for rank, (what, how, values) in enumerate(does, start=_RANK_OF_CUSTOMERS):
        if (how == "new" or what == "pays_again") and not knows_orders:
            continue
        # What the customer does is one place each: a script says it once.
        keys = (("customer", {what: values}),)
        yield StepChoice(("customer", what), f"{what} {how}", rank, 1, 0, keys)


def _searched_webhooks(chain: Chain) -> Iterator[Webhooks]:
    searched = searched_links(chain)
    for link in filter(searched.__contains__, senders_of(chain)):
        webhooks = chain.links[link].webhooks
        assert webhooks is not None, "it sends some"
        yield webhooks


def _back(due_s: float) -> dict[str, str]:
    """When a customer who has left has to return to be there at that time after the start."""
    return {"returns_after": duration_text(round(due_s - _LEAVES_AFTER_S, 6))}


def _knows_orders(chain: Chain) -> bool:
    """Whether customers name the order that they pay: who does not know it pays it twice, and no
    chain could tell.
    """
    return any(_ORDER in str(pays.model_dump()) for pays in ways_to_pay(chain))


def in_order(steps: Steps) -> Steps:
    """The steps by what they are about: one order for each script."""
    return tuple(sorted(steps, key=lambda step: (step.place, step.number)))


def fits(steps: Steps) -> bool:
    """Whether the steps can stand in one script: no two of them are about the same thing."""
    subjects = [step.place if step.is_customers else (step.place, step.number) for step in steps]
    return len(set(subjects)) == len(subjects) and _fit_customer(steps)


def _fit_customer(steps: Steps) -> bool:
    """Whether one customer can do all of it: who has left does not pay again."""
    does = tuple(step for step in steps if step.place in (_RETRIES, _LEAVES))
    return len(does) < 2 or not list(check_steps(script_of(does), 0, None))


def simpler(steps: Steps, choices: Sequence[StepChoice]) -> list[Steps]:
    """Every script that is one step simpler, the simplest first.

    One step fewer; or one step of a simpler kind at the same place; or about an earlier request; or
    of a shorter time.
    """
    found: dict[Steps, None] = {}
    for place, step in enumerate(steps):
        before, after = steps[:place], steps[place + 1 :]
        found[(*before, *after)] = None
        for choice in choices:
            if choice.place != step.place or size((choice,)) >= size((step,)):
                continue
            changes = (
                choice.name != step.name,
                choice.number != step.number,
                choice.ms != step.ms,
            )
            # Another kind has a time of its own: that is not a second change.
            is_one_change = sum(changes) == 1 or (changes[0] and not changes[1])
            variant = (*before, choice, *after)
            if is_one_change and fits(variant):
                found[variant] = None
    for variant in found:
        assert size(variant) < size(steps), f"{variant} is not simpler than {steps}"
    return sorted(found, key=size)
