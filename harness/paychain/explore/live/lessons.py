"""What an own service is shown so that its policy shows: one kind of failure at one link each.

    service ──> stripe ✕        lesson: the first authorisation at stripe is answered too late
       └──────> adyen ✓         reaction: after 2 s it asks adyen, 8 of 8

Where a service asks several links one after the other, a lesson about a later one lets those before
it fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from paychain.analysis.attribution.hops import operation_of, result_of
from paychain.analysis.attribution.observed import ObservedRequest
from paychain.analysis.measures.own_policies import usual_wait_s
from paychain.declaration.quantity import count, duration_text, seconds_text
from paychain.explore.live.steps import StepChoice, Steps
from paychain.model.chain import Chain

MAX_REPEATS = 4  # of a link that has to fail altogether: more tries than most services make
_FAILURES: dict[str, dict[str, Any]] = {
    "no answer in time": {"slow_answer": {}},  # its delay is the customer's deadline
    "a lost answer": {"lost_answer": {}},
    "HTTP 503": {"http_error": {"status": 503}},
    "HTTP 500 after the work": {"http_error": {"status": 500, "after_work": True}},
    "HTTP 429": {"rate_limit": {"rate": "1/s"}},
    "a malformed answer": {"malformed": {}},
    "a decline": {"decline": {}},
}
# What lets a link fail altogether. Some services go on to the next link only after the latter.
_PREPARES, _PREPARES_OTHERWISE = "HTTP 503", "a lost answer"


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One failure at one link that a service authorises payments at.

    `otherwise`: the steps that teach it where no payment gets to the link by `steps`; () for none.
    """

    service: str
    link: str
    failure: str
    steps: Steps
    otherwise: Steps = ()

    @property
    def subject(self) -> tuple[str, str, str]:
        """What it teaches, by whichever steps."""
        return self.service, self.link, self.failure

    @property
    def is_first(self) -> bool:
        """It is about the link that is asked first: nothing has to fail before it."""
        return len(self.steps) <= 1

    @property
    def way(self) -> tuple[str, str, Steps]:
        """How payments get to its link: by what fails before it."""
        return self.service, self.link, self.steps[:-1]


@dataclass
class Reaction:
    """What a service did after the failure of a lesson, and how often."""

    lesson: Lesson
    payments: int = 0
    next: Counter[str] = field(default_factory=Counter)
    waits_s: list[float] = field(default_factory=list)  # until it left without an answer
    tries: int = 0  # most authorisations of a payment at the link
    elsewhere: int = 0  # payments that asked other links, and never this one
    meanwhile_s: list[float] = field(default_factory=list)  # until another request, if it waited

    @property
    def usual(self) -> tuple[str, int]:
        """What it did most often, and how often; "" when it never got there."""
        return next(iter(self.next.most_common(1)), ("", 0))

    def __str__(self) -> str:
        """`asks adyen (8 of 8), left after 2.00 s (8 of 8)`."""
        skipped = ""
        if self.elsewhere:
            skipped = f"{self.elsewhere} of {count(self.payments, 'payment')} did not ask it"
        if not self.next:
            return f"not seen: {skipped or 'no payment got there'}"
        seen = self.next.total()
        text = ", ".join(f"{does} ({n} of {seen})" for does, n in self.next.most_common())
        if self.meanwhile_s:
            text += f", {seconds_text(median(self.meanwhile_s))} after the first request"
        usual = usual_wait_s(self.waits_s)
        if usual is not None:
            wait_s, alike = usual
            text += f", left after {seconds_text(wait_s)} ({alike} of {len(self.waits_s)})"
        return f"{text}; {skipped}" if skipped else text


def lessons(chain: Chain) -> Iterator[Lesson]:
    """The lessons for every own service, link by link as it is declared to ask them."""
    for service in chain.own_services():
        call = chain.calls_of(service).get("authorise")
        mocks = [link for link in call.routes if not chain.links[link].service] if call else []
        for number, link in enumerate(mocks):
            for failure in _FAILURES:
                last = _step(link, failure, 1, chain)
                steps, otherwise = (
                    (*_failing(mocks[:number], prepares, chain), last)
                    for prepares in (_PREPARES, _PREPARES_OTHERWISE)
                )
                yield Lesson(
                    service=service,
                    link=link,
                    failure=failure,
                    steps=steps,
                    otherwise=otherwise if number else (),
                )


def _failing(links: Sequence[str], failure: str, chain: Chain) -> Iterator[StepChoice]:
    """What lets links fail altogether."""
    for link in links:
        for request in range(1, MAX_REPEATS + 1):
            yield _step(link, failure, request, chain)


def _step(link: str, failure: str, request: int, chain: Chain) -> StepChoice:
    ((kind, values),) = _FAILURES[failure].items()
    if kind == "slow_answer":
        values = {"delay": duration_text(chain.deadline)}
    place = ("link", link, "authorise")
    return StepChoice(place=place, name=failure, rank=0, number=request, keys=((kind, values),))


def react(lesson: Lesson, payments: Iterable[Sequence[ObservedRequest]]) -> Reaction:
    """How the service of a lesson reacted in these payments."""
    reaction = Reaction(lesson)
    for requests in payments:
        mine = [request for request in requests if request.caller == lesson.service]
        authorised = [request for request in mine if operation_of(request) == "authorise"]
        at_link = [request for request in authorised if request.callee == lesson.link]
        reaction.payments += 1
        reaction.tries = max(reaction.tries, len(at_link))
        if not at_link:
            reaction.elsewhere += bool(authorised)
            continue
        failed = at_link[0]
        exchange = failed.exchange
        if exchange is not None and exchange.ended_by == "client":
            reaction.waits_s.append((exchange.ended_ns - exchange.started_ns) / 1e9)
        after = [request for request in authorised if request.started_ns > failed.started_ns]
        if after and after[0].started_ns < failed.ended_ns:
            # It has not waited for the failure: what comes after that may be due to this.
            reaction.meanwhile_s.append((after[0].started_ns - failed.started_ns) / 1e9)
            reaction.next[f"asks {after[0].callee} meanwhile"] += 1
        else:
            reaction.next[_next(failed, after)] += 1
    return reaction


def _next(failed: ObservedRequest, later: Sequence[ObservedRequest]) -> str:
    """What a service did to authorise a payment after a request that failed."""
    if not later:
        return "assumes it was done" if result_of(failed)[0].worked else "gives up"
    if later[0].callee != failed.callee:
        return f"asks {later[0].callee}"
    if not failed.key and not later[0].key:
        return "tries again without a key"
    return f"tries again with {'the same' if failed.key == later[0].key else 'a new'} key"
