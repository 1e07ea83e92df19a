"""Learns the policy of own services from short real runs, and writes it as a mock: a twin.

lessons ─ each a few payments on the running chain ─> reactions and policies ─> the twin's file
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any, get_args

import yaml

from paychain.analysis.attribution.observed import ObservedRequest
from paychain.analysis.measures.own_policies import (
    NOTHING,
    QUERY_THEN,
    REPEAT,
    ObservedPolicy,
    PolicyLine,
    policy_lines,
    usual_wait_s,
    varies,
    watch,
)
from paychain.declaration.quantity import count, duration_text
from paychain.environment.running_chain import RunningChain
from paychain.explore.live.chains import Chains
from paychain.explore.live.judged import Batch
from paychain.explore.live.lessons import Lesson, Reaction, lessons, react
from paychain.explore.live.result import LiveResult, LiveSpec
from paychain.model.chain import Chain, Link
from paychain.model.loading import Loaded
from paychain.model.policy import Call, Failure
from paychain.payments.errors import UserError
from paychain.payments.outcome import HopResult

RATE = 16.0  # payments per second: a policy is to be seen, not a queue
ROUNDED_S = 0.01  # timeouts in the twin's file
_UNKNOWN: Mapping[str, str] = {
    "void": "reverse",
    "refund": "reverse",
    "query": "query",
    REPEAT: "resend",
    f"{QUERY_THEN}void": "reverse",
    f"{QUERY_THEN}refund": "reverse",
    f"{QUERY_THEN}{REPEAT}": "resend",
    NOTHING: "give_up",
}
# Failures that no lesson shows: a mock cannot break its caller's connection for one payment alone.
_UNSHOWN, _LIKE = ("refused", "reset"), "timeout"
# What a mock gateway has no use for: how customers and providers reach the user's process.
_OF_OWN = ("service", "pays", "books", "receives", "webhook_path", "telemetry")


@dataclass
class Learned:
    """What was learned of a chain's own services."""

    policies: dict[str, ObservedPolicy]
    reactions: list[Reaction] = field(default_factory=list)
    payments: int = 0
    took_s: float = 0.0

    def unlike_twin(self) -> list[str]:
        """What the services were seen to do that the mocks of the twin do not."""
        return [
            f"{name} {sentence}"
            for name, policy in self.policies.items()
            for sentence in (
                *_unlike(policy),
                *_skips([each for each in self.reactions if each.lesson.service == name]),
            )
        ]

    def lines(self, chain: Chain) -> list[PolicyLine]:
        """Each part of each policy, claimed beside learned."""
        return [
            line
            for name, policy in self.policies.items()
            for line in policy_lines(chain, name, policy)
        ]


def learn(
    chain: Chain,
    open_chain: Callable[[], RunningChain],
    *,
    seed: int,
    payments_each: int,
    on_progress: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Learned:
    """Teach the own services of a chain every lesson. Raises UserError when there are none."""
    todo = list(lessons(chain))
    if not todo:
        hint = "learn is for a link with a service that authorises payments (calls: authorise)"
        raise UserError(f"chain {chain.chain} has no service of your own to learn from", hint=hint)
    learned = Learned({lesson.service: ObservedPolicy() for lesson in todo})
    began_s = clock()
    for lesson, batch in _taught(chain, open_chain, todo, seed, payments_each, on_progress):
        learned.payments += len(batch.orders)
        payments = _payments(batch)
        learned.reactions.append(react(lesson, payments))
        for requests in payments:
            watch(learned.policies, requests)
    learned.took_s = clock() - began_s
    return learned


def _taught(
    chain: Chain,
    open_chain: Callable[[], RunningChain],
    todo: Sequence[Lesson],
    seed: int,
    payments_each: int,
    on_progress: Callable[[str], None],
) -> list[tuple[Lesson, Batch]]:
    """Each lesson, and the payments that it was taught with.

    One that a service was too busy for, with what it does about earlier ones, say, shows what it
    does then: it is taught once more, after all others and slower. So is one whose payments did not
    get to its link, by the other way to get there; that may be repeated once, too. Raises
    UserError.
    """
    chains = Chains(
        chain,
        LiveSpec(seed=seed, rate=RATE),
        open_chain,
        LiveResult(),
        on_judged=lambda _order, _batch: None,
        on_changed=lambda _order, _batch: None,
        on_left=lambda _: None,
        keeps_requests=True,
    )
    coming = deque(todo)
    begun: dict[Batch, Lesson] = {}
    repeated: set[Lesson] = set()
    taught: dict[tuple[str, str, str], Batch] = {}
    try:
        chains.start()
        while coming or chains.now.in_flight or chains.ended:
            if coming and chains.has_room(2 * payments_each) and chains.is_measured:
                lesson = coming.popleft()
                on_progress(f"{lesson.failure} at {lesson.link}")
                # As many payments without a failure: a breaker stays closed at half of them.
                batch = chains.now.begin([lesson.steps] * payments_each, payments_each)
                begun[batch] = lesson
            chains.look()
            while chains.ended:
                batch = chains.ended.popleft()
                chains.look_after(batch)
                shown = begun.get(batch)
                if shown is None:
                    continue  # the payments where nothing fails
                if shown.otherwise and not react(shown, _payments(batch)).next:
                    coming.append(replace(shown, steps=shown.otherwise, otherwise=()))
                elif shown not in repeated and not chains.was_calm(batch):
                    repeated.add(shown)
                    coming.append(shown)
                taught[shown.subject] = batch
    finally:
        chains.stop()
    nothing = Batch(number=0, rate=RATE)  # of a lesson that a service died of
    return [(lesson, taught.get(lesson.subject, nothing)) for lesson in todo]


def _payments(batch: Batch) -> list[Sequence[ObservedRequest]]:
    """What services sent for each payment that a failure met."""
    return [requests for order in batch.orders if order.steps for requests in order.requests]


def twin_text(loaded: Loaded[Chain], learned: Learned) -> str:
    """The file of the chain's twin: each own service that was learned is a mock gateway.

    A comment says how sure each number is.
    """
    declared: dict[str, Any] = yaml.safe_load(loaded.text)
    declared["chain"] = f"{declared['chain'][:94]}-twin"
    notes = []
    for name, policy in learned.policies.items():
        link = declared["links"][name]
        call = loaded.model.calls_of(name)["authorise"]
        kept = {key: value for key, value in link.items() if key not in _OF_OWN}
        declared["links"][name] = kept | {"calls": {"authorise": _policy(call, policy)}}
        notes += [
            f"# {line.what}: {line.observed}" for line in policy_lines(loaded.model, name, policy)
        ]
    for name, link in declared["links"].items():
        if name not in learned.policies:
            _as_mocks_ask_it(link, loaded.model.links[name])
    body = yaml.safe_dump(declared, sort_keys=False, allow_unicode=True, width=100)
    notes += [f"# not as the service: {sentence}" for sentence in learned.unlike_twin()]
    return "\n".join((f"# Learned from {learned.payments} real payments.", *notes, "")) + body


def _unlike(seen: ObservedPolicy) -> Iterator[str]:
    """What one service does that no mock's policy says, or that depends on what was not seen."""
    for result, repeated in seen.after.most_common():
        if repeated < (of := seen.could_be_repeated(result)):
            does = "always" if result in _tried_again(seen) else "never"
            yield (
                f"repeated {repeated:,} of {of:,} requests that ended with {result}; its twin "
                f"{does} does"
            )
        if result in _tried_again(seen) and seen.gives_up_sooner(result):
            tries = seen.repeated_until[result] + 1
            yield (
                f"tried at most {tries} times where requests ended with {result}; its twin tries "
                f"{seen.most_tries} times"
            )
    if guessed := _guessed(seen):
        met = " or ".join(guessed)
        yield f"met no connection that was {met}; its twin tries again then, as after a {_LIKE}"
    if any(map(varies, seen.pauses_s.values())):
        yield "varies its pauses before repeats; its twin always waits for the median"
    for link, number in seen.meanwhile.most_common():
        times = count(number, "time")
        yield f"asked {link} {times} before another request had ended; its twin waits for the end"


def _skips(reactions: Sequence[Reaction]) -> Iterator[str]:
    """Links that payments passed by which nothing had failed for: a breaker, say.

    To a later link payments only come by failures before it, and may end before they are there:
    only where others got there by the same failures it was passed by.
    """
    reached = {reaction.lesson.way for reaction in reactions if reaction.next}
    skipped: Counter[str] = Counter()
    for reaction in reactions:
        if reaction.lesson.is_first or reaction.lesson.way in reached:
            skipped[reaction.lesson.link] += reaction.elsewhere
    for link, number in (+skipped).items():
        payments = count(number, "payment")
        yield f"did not ask {link} for {payments}, as with a breaker; its twin asks it each time"


def _tried_again(seen: ObservedPolicy) -> list[str]:
    """The results after which the service mostly tried again where it could."""
    return [
        result
        for result, repeated in seen.after.items()
        if result in get_args(Failure) and 2 * repeated > seen.could_be_repeated(result)
    ]


def _guessed(seen: ObservedPolicy) -> list[str]:
    """The results after which the twin tries again although the service was not seen to meet them.

    Most clients have one way to go on for whatever leaves them without an answer.
    """
    shown = {result for (result, _), number in seen.failed_at.items() if number}
    is_repeated = _LIKE in _tried_again(seen)
    return [result for result in _UNSHOWN if is_repeated and result not in shown]


def _as_mocks_ask_it(written: dict[str, Any], link: Link) -> None:
    """Let a provider's mock speak to mocks, and clear up behind itself as before."""
    written.pop("dialect", None)
    # A mock gateway reverses what a webhook tells it of and it has given up. Whether the service
    # does is among what follows an unknown outcome, which was learned.
    written.pop("webhooks", None)
    call = written.get("calls", {}).get("authorise")
    # What a vendor does about an unknown outcome behind itself is not the default of other mocks.
    if isinstance(call, dict):
        call.setdefault("on_unknown", link.calls["authorise"].on_unknown)


def _policy(call: Call, seen: ObservedPolicy) -> dict[str, Any]:
    """A mock's policy that does what was seen. What was not seen keeps the mock's default."""
    order = next((list(links) for links, _ in seen.orders.most_common(1)), call.routes[:1])
    written: dict[str, Any] = {"to": order[0]}
    usual = usual_wait_s(seen.waits_s)
    if usual is not None:
        written["timeout"] = duration_text(round(usual[0] / ROUNDED_S) * ROUNDED_S)
    again = [*_tried_again(seen), *_guessed(seen)]
    if seen.most_tries > 1 and again:
        pauses = [pause for each in seen.pauses_s.values() for pause in each]
        backoff = duration_text(round(median(pauses), 3)) if pauses else "0s"
        written["retry"] = {
            "attempts": seen.most_tries,
            "backoff": backoff,
            "jitter": "none",
            "on": again,
        }
    if follows := _follows(seen, again if "retry" in written else ()):
        written["on_unknown"] = _UNKNOWN[follows]
    if len(order) > 1:
        written["fallback"] = [{"to": link} for link in order[1:]]
    return written


def _follows(seen: ObservedPolicy, tried_again: Sequence[str]) -> str:
    """What follows an unknown outcome; "" if none was seen. `tried_again`: after these results.

    A repeat that is one of the tries follows all of them but the last: then something else does.
    """
    follows = seen.follows
    if any(HopResult(result).leaves_unknown for result in tried_again):
        last = Counter({what: number for what, number in follows.items() if what != REPEAT})
        follows = last or follows
    return next((what for what, _ in follows.most_common(1)), "")
