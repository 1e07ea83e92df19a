"""What own services really did: whose requests theirs were, their policy, and what their SDK does.

A mock does what it declares. A user's service does what its code and the SDKs in it do, which may
not be what anybody believes: each line sets what was observed beside what the chain claims.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

import msgspec

from paychain.analysis.attribution.hops import operation_of
from paychain.analysis.attribution.observed import ObservedRequest, by_payment
from paychain.analysis.measures.measure import MeasuredRun, measure
from paychain.analysis.measures.measures import MoneyMeasure
from paychain.analysis.measures.own_policies import (
    ObservedPolicy,
    PolicyLine,
    policy_lines,
    watch,
)
from paychain.analysis.measures.slow_starts import slow_starts
from paychain.analysis.store.queries import approved_and_held, declined_alone, forged_and_taken
from paychain.declaration.quantity import count
from paychain.model.hop import Hop
from paychain.model.links_behind import behind
from paychain.model.operations import MONEY
from paychain.model.own_services import observed_hops
from paychain.payments.attribution import UNKNOWN, WAYS
from paychain.payments.exchanges import TRACED
from paychain.payments.journal import DecisionKind, EngineEvent
from paychain.payments.outcome import HopResult

MAX_UNATTRIBUTED = 0.01  # of a link's authorisations: with more, hops and money are not judged
# Rules that miss the money of a payment to which its request was not attributed.
_MISSING = ("no_approval_without_money", "paid_orders_have_money")
EXAMPLES = 20  # unattributed requests that are named
MAX_NAMED = 3  # payments on a line


class ObservedCall(msgspec.Struct, kw_only=True, frozen=True):
    """What one own service asked of one link, over the whole run, warm-up included."""

    service: str
    link: str
    # Whose view of the hop there is: "engine", "link", "trace", joined by "and".
    seen_by: str
    requests: int
    payments: int
    authorisations: int
    attributed: dict[str, int]  # by what -> requests
    unattributed: int  # requests that belong to no payment
    unattributed_authorisations: int
    examples: list[str]  # of those: "POST /v1/payment_intents at 12.3 s"
    unanswered: int
    refused: int  # calls inferred to have been refused
    unreadable: int  # connections whose bytes were no HTTP/1.1
    per_payment: float | None  # requests that move money, per payment
    most_per_payment: int
    keyed: int  # of the requests that move money: with an idempotency key
    money_requests: int
    repeats_same_key: int
    repeats_new_key: int
    repeats_without_key: int
    connections: int  # that the service opened, as far as the engine saw
    # Parameters that the provider knows and the mock takes no notice of, in the order of the names.
    ignored: list[str] = []
    # Requests that the mock does not serve: "POST /v1/checkout/sessions" -> requests.
    not_served: dict[str, int] = {}
    unreadable_as: str = ""  # why most of the unreadable connections could not be read

    @property
    def unattributed_share(self) -> float:
        """Of its authorisations, those of no payment."""
        return self.unattributed_authorisations / max(1, self.authorisations)


class OwnServiceMeasures(msgspec.Struct, frozen=True):
    """What own services did; empty in a chain of mocks."""

    calls: list[ObservedCall] = []
    policies: list[PolicyLine] = []


@dataclass
class _Asked:
    """What one service asked of one link so far."""

    requests: int = 0
    payments: int = 0
    authorisations: int = 0
    by: Counter[str] = field(default_factory=Counter)
    unattributed_authorisations: int = 0
    examples: list[str] = field(default_factory=list)
    unanswered: int = 0
    sees: set[str] = field(default_factory=set)
    money_requests: int = 0
    keyed: int = 0
    most: int = 0
    repeats: Counter[str] = field(default_factory=Counter)


@measure("own_services")
def own_services(run: MeasuredRun) -> OwnServiceMeasures:
    """The requests of every own service to every link, and its policy: claimed and observed."""
    hops = observed_hops(run.chain)
    if not hops:
        return OwnServiceMeasures()
    asked: dict[tuple[str, str], _Asked] = {(hop.caller, hop.callee): _Asked() for hop in hops}
    policies: dict[str, ObservedPolicy] = {hop.caller: ObservedPolicy() for hop in hops}
    start_s, drained_s = run.times.load_start_s, run.facts.drained_s
    stopped_ns = drained_s * 1e9 if drained_s is not None else inf
    for payment, requests in by_payment(run.store):
        is_known = bool(payment) and not payment.startswith(UNKNOWN)
        for request in requests:
            _count(asked[request.caller, request.callee], request, start_s, is_known=is_known)
        if is_known:
            _count_payment(asked, requests)
            watch(policies, requests, stopped_ns)
    refused = _refused(run)
    unreadable, connections = _connections(run)
    ignored, not_served = _ignored(run), _not_served(run)
    names = {(hop.caller, hop.callee): hop.name for hop in hops}
    calls = [
        _call(
            service,
            link,
            of_hop,
            refused=refused[service, link],
            unreadable=unreadable[names[service, link]],
            connections=connections[names[service, link]],
            ignored=ignored[link],
            not_served=not_served[link],
        )
        for (service, link), of_hop in asked.items()
    ]
    lines = [
        line for name, policy in policies.items() for line in policy_lines(run.chain, name, policy)
    ]
    beside = [
        *_uncaptured(run, hops),
        *_declined_alone(run, policies),
        *_forged_taken(run, policies),
        *_started_slowly(run),
    ]
    return OwnServiceMeasures(calls, [*lines, *beside])


def _uncaptured(run: MeasuredRun, hops: Iterable[Hop]) -> Iterator[PolicyLine]:
    """Services that never took what their customers were told is paid.

    Whether that is a mistake or comes later, only their authors know. A link of ours captures
    nothing by itself: only the books of vendors' mocks say something.
    """
    providers: defaultdict[str, set[str]] = defaultdict(set)
    for hop in hops:
        if run.chain.links[hop.callee].dialect.is_vendors:
            providers[hop.caller].add(hop.callee)
    for service, links in providers.items():
        held, left = approved_and_held(run.store, links)
        if left:
            yield PolicyLine(
                call=f"{service}.capture",
                what="of approved payments",
                claimed="",
                observed=f"{left:,} of {count(held, 'payment')} held and never captured",
                holds=None,
            )


def _declined_alone(run: MeasuredRun, services: Iterable[str]) -> Iterator[PolicyLine]:
    """Services that declined payments which no link behind them had declined.

    A customer who is declined does not come back, and no measure of success misses them: such a
    decline hides that a provider failed, refused too many requests or was not understood.
    """
    for service in services:
        if payments := declined_alone(run.store, service, behind(run.chain.links, service)):
            named = ", ".join(payments[:MAX_NAMED]) + ", …" * (len(payments) > MAX_NAMED)
            yield PolicyLine(
                call=f"{service}.authorise",
                what="own declines",
                claimed="",
                observed=f"{count(len(payments), 'payment')} that no link behind it had declined "
                f"({named})",
                holds=None,
            )


def _forged_taken(run: MeasuredRun, services: Iterable[str]) -> Iterator[PolicyLine]:
    """Services that acknowledge webhooks whose signature is wrong.

    That one was acted on is a finding where nothing else can have told the service. Where it would
    have learnt the same anyhow, only its answer shows that it believes anybody.
    """
    for service in services:
        sent, acknowledged = forged_and_taken(run.store, service)
        if acknowledged:
            yield PolicyLine(
                call=f"{service}.notify",
                what="wrong signatures",
                claimed="",
                observed=f"{acknowledged:,} of {count(sent, 'forged webhook')} acknowledged",
                holds=None,
            )


def _started_slowly(run: MeasuredRun) -> Iterator[PolicyLine]:
    """The service at the entry that was still starting when the first fault began."""
    for sentence in slow_starts(run):
        yield PolicyLine(
            call=run.chain.entries[0],
            what="first answer",
            claimed="",
            observed=sentence,
            holds=None,
        )


def unattributed_problems(found: OwnServiceMeasures) -> list[str]:
    """Why the run is inconclusive, in sentences: too many authorisations of no payment."""
    problems = []
    for call in found.calls:
        if call.unattributed_share <= MAX_UNATTRIBUTED:
            continue
        lost, all_of_them = call.unattributed_authorisations, call.authorisations
        remedy = (
            f"give pays.request of {call.service} an order id ({{payment}}) that it sends on as "
            "its reference"
        )
        # The link recorded none of them: it speaks something else than the service.
        if call.seen_by == "engine":
            remedy = (
                f"{call.link} understood none of its requests; give {call.link} the dialect: that "
                f"{call.service} speaks there, such as stripe"
            )
        problems.append(
            f"{lost:,} of {count(all_of_them, 'authorisation')} at {call.link} belong to no "
            f"payment ({call.unattributed_share:.1%}, at most {MAX_UNATTRIBUTED:.0%}), such as "
            f"{call.examples[0]}: {remedy}"
        )
    return problems


def unattributed_money(found: OwnServiceMeasures, money: MoneyMeasure) -> list[str]:
    """Why findings of missing money are not certain: no payment is known for some of it."""
    lost = sum(call.unattributed_authorisations for call in found.calls)
    missing = sum(rule.findings for rule in money.rules if rule.rule in _MISSING)
    if not lost or not missing:
        return []
    return [
        f"{count(lost, 'authorisation')} of no payment may be the money that "
        f"{count(missing, 'finding')} {'reports' if missing == 1 else 'report'} as missing"
    ]


def _count(asked: _Asked, request: ObservedRequest, start_s: float, *, is_known: bool) -> None:
    asked.requests += 1
    asked.sees.update(
        name
        for name, is_there in (
            ("engine", request.exchange is not None and not request.is_traced),
            ("link", request.received is not None),
            ("trace", request.is_traced),
        )
        if is_there
    )
    is_authorisation = operation_of(request) == "authorise"
    asked.authorisations += is_authorisation
    asked.by[request.by if is_known else "nothing"] += 1
    if not is_known:
        asked.unattributed_authorisations += is_authorisation
        if len(asked.examples) < EXAMPLES:
            at_s = request.started_ns / 1e9 - start_s
            asked.examples.append(f"{request.method} {request.target} at {at_s:.1f} s")
    asked.unanswered += request.exchange is not None and not request.exchange.status


def _count_payment(
    asked: dict[tuple[str, str], _Asked], requests: Sequence[ObservedRequest]
) -> None:
    """Keys and repeats of one payment, link by link."""
    by_link: dict[tuple[str, str], list[ObservedRequest]] = defaultdict(list)
    for request in requests:
        by_link[request.caller, request.callee].append(request)
    for hop, of_link in by_link.items():
        tally = asked[hop]
        tally.payments += 1
        moving = [request for request in of_link if operation_of(request) in MONEY]
        tally.money_requests += len(moving)
        tally.keyed += sum(bool(request.key) for request in moving)
        tally.most = max(tally.most, len(moving))
        seen: dict[str, set[str]] = defaultdict(set)
        for request in moving:
            operation = operation_of(request)
            if operation in seen:
                known = request.key in seen[operation]
                how = "same" if known else "new"
                tally.repeats[how if request.key else "none"] += operation == "authorise"
            seen[operation].add(request.key)


def _refused(run: MeasuredRun) -> Counter[tuple[str, str]]:
    """Refused calls, by caller and callee."""
    found: Counter[tuple[str, str]] = Counter()
    for caller, callee, n in run.store.select(
        "SELECT caller, callee, COUNT(*) FROM hop WHERE result = ? GROUP BY 1, 2",
        (HopResult.REFUSED.value,),
    ):
        found[caller, callee] = n
    return found


def _connections(run: MeasuredRun) -> tuple[dict[str, Counter[str]], Counter[str]]:
    """By hop: connections that could not be read, by reason, and those that carried requests."""
    unreadable: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for event in run.store.rows(EngineEvent):
        if event.kind == "unreadable":
            unreadable[event.proxy][event.detail] += 1
    connections: Counter[str] = Counter()
    for hop, n in run.store.select(
        "SELECT hop, COUNT(DISTINCT connection) FROM exchange WHERE connection != ? GROUP BY hop",
        (TRACED,),
    ):
        connections[hop] = n
    return unreadable, connections


def _ignored(run: MeasuredRun) -> defaultdict[str, list[str]]:
    """By link: parameters that its mock took no notice of."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for link, parameter in run.store.select(
        "SELECT DISTINCT link, detail FROM decision WHERE kind = ? ORDER BY 1, 2",
        (DecisionKind.PARAMETER_IGNORED.value,),
    ):
        found[link].append(parameter)
    return found


def _not_served(run: MeasuredRun) -> defaultdict[str, dict[str, int]]:
    """By link: what its mock has nothing of, the most frequent first."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for link, what, n in run.store.select(
        "SELECT link, detail, COUNT(*) FROM decision WHERE kind = ? "
        "GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2",
        (DecisionKind.NOT_SERVED.value,),
    ):
        found[link][what] = n
    return found


def _call(
    service: str,
    link: str,
    asked: _Asked,
    *,
    refused: int,
    unreadable: Counter[str],
    connections: int,
    ignored: list[str],
    not_served: dict[str, int],
) -> ObservedCall:
    return ObservedCall(
        service=service,
        link=link,
        seen_by=" and ".join(sorted(asked.sees)),
        requests=asked.requests,
        payments=asked.payments,
        authorisations=asked.authorisations,
        attributed={way: asked.by[way] for way in WAYS if asked.by[way]},
        unattributed=asked.requests - sum(asked.by[way] for way in WAYS),
        unattributed_authorisations=asked.unattributed_authorisations,
        examples=asked.examples,
        unanswered=asked.unanswered,
        refused=refused,
        unreadable=unreadable.total(),
        unreadable_as=next((reason for reason, _ in unreadable.most_common(1)), ""),
        per_payment=asked.money_requests / asked.payments if asked.payments else None,
        most_per_payment=asked.most,
        keyed=asked.keyed,
        money_requests=asked.money_requests,
        repeats_same_key=asked.repeats["same"],
        repeats_new_key=asked.repeats["new"],
        repeats_without_key=asked.repeats["none"],
        connections=connections,
        ignored=ignored,
        not_served=not_served,
    )
