"""The hops of own services, made of their observed requests.

    customer ──> shop-api ──> processor-a      one hop record for each request of the service,
                     └──────> processor-b      below the hop that brought it the payment

An attempt is what one idempotency key or one object of the vendor stands for; a request without
either is an attempt of its own. Of another own service a repeat without a key is asked for the same
payment again: whether it works on that twice, its own requests show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from paychain.analysis.attribution.observed import ObservedRequest, by_payment
from paychain.analysis.attribution.own_run import OwnRun, Spans
from paychain.analysis.store.store import RunStore
from paychain.model.chain import Chain
from paychain.model.operations import ENTRY_OPERATION
from paychain.model.own_services import observed_hops
from paychain.payments.exchanges import EndedBy
from paychain.payments.journal import HopRecord
from paychain.payments.outcome import HopResult

BATCH = 1_000  # hops added to the store at once
FORWARD = "forward"
_OF_ORDER = "the order itself"  # in place of a key, at a service that knows what it is asked for
# What an exchange without an answer was for the service.
_UNANSWERED: dict[EndedBy, HopResult] = {
    "client": HopResult.TIMEOUT,  # it left before the answer came
    "server": HopResult.RESET,
    "engine": HopResult.RESET,
    "run": HopResult.TIMEOUT,  # it waited until the run was over
    "garbage": HopResult.MALFORMED,
    "refused": HopResult.REFUSED,
}
# Operations that request a whole payment: from a customer, or from an edge that forwards.
_PAYING = frozenset({ENTRY_OPERATION, FORWARD})
# What the path of a request that no link has seen says it was for.
_OPERATIONS = (
    ("refund", "refund"),
    ("capture", "capture"),
    ("settle", "capture"),
    ("complete", "capture"),
    ("cancel", "void"),
    ("void", "void"),
    ("revers", "void"),
    ("tokenis", "tokenise"),
    ("screen", "screen"),
)


class _Calls(NamedTuple):
    """The calls of a chain's own services.

    `routes`: the number of each, by caller and callee. `passing`: caller and callee of those over
    which a service passes whole payments on. `own`: the services.
    """

    routes: dict[tuple[str, str], int]
    passing: Collection[tuple[str, str]]
    own: Collection[str]


class ParentHop(NamedTuple):
    """A hop that brought a payment to an own service."""

    span: str
    started_ns: int
    ended_ns: int


def parents(store: RunStore, payment: str, service: str) -> list[ParentHop]:
    """The hops that brought a payment to an own service, in the order in which they started."""
    rows = store.select(
        "SELECT span, started_ns, ended_ns FROM hop WHERE payment = ? AND callee = ? "
        "AND operation != 'notify' ORDER BY started_ns",
        (payment, service),
    )
    return [ParentHop(*row) for row in rows]


def parent_of(hops: Sequence[ParentHop], started_ns: int) -> str:
    """The span of the hop that led to what started then: the newest by that time."""
    before = [hop.span for hop in hops if hop.started_ns <= started_ns]
    return before[-1] if before else ""


def own_hops(run: OwnRun) -> None:
    """Each observed request of a payment is a hop of its service."""
    store, chain = run.store, run.chain
    hops: list[HopRecord] = []
    passing = {(hop.caller, hop.callee) for hop in observed_hops(chain) if hop.operation == FORWARD}
    calls = _Calls(_routes(chain), passing, chain.own_services())
    for payment, requests in by_payment(store):
        if not payment:
            continue  # nobody's: counted, but no hop of a payment
        callers = dict.fromkeys(request.caller for request in requests)
        brought = {caller: parents(store, payment, caller) for caller in callers}
        hops += _of_payment(payment, requests, brought, calls, run.spans)
        if len(hops) >= BATCH:
            store.ingest(hops)
            hops.clear()
    store.ingest(hops)


def _routes(chain: Chain) -> dict[tuple[str, str], int]:
    """The number of each route of the own services, by caller and callee."""
    routes: dict[tuple[str, str], int] = {}
    for hop in observed_hops(chain):
        for call in chain.calls_of(hop.caller).values():
            for number, target in enumerate(call.targets):
                first = 0 if call.is_first(target) else number
                routes.setdefault((hop.caller, target), first)
    return routes


def _of_payment(
    payment: str,
    requests: Sequence[ObservedRequest],
    brought: dict[str, list[ParentHop]],
    calls: _Calls,
    spans: Spans,
) -> Iterator[HopRecord]:
    """The hops of one payment; its requests in the order in which they started."""
    tries: Counter[tuple[str, str, str]] = Counter()
    # A link counts an attempt when its key first comes there: a repeat may have been the first.
    by_key = {
        (request.callee, request.key): request.received.attempt
        for request in reversed(requests)
        if request.key and request.received is not None
    }
    attempts = 0
    for request in requests:
        caller, callee, received = request.caller, request.callee, request.received
        operation = operation_of(request)
        is_of_order = operation == "authorise" and callee in calls.own
        key = (callee, request.key or (_OF_ORDER if is_of_order else ""))
        if received is not None:
            attempt = received.attempt
        else:
            # It reached no link that could have counted it.
            known = by_key.get(key) if key[1] else None
            is_new = known is None and operation == "authorise"
            attempt = known or attempts + is_new or 1
        if operation == "authorise":  # what comes before it is asked in no attempt
            attempts = max(attempts, attempt)
        if key[1]:
            by_key.setdefault(key, attempt)
        # A request without a key is not a repeat of another one.
        name = (callee, operation, key[1] or f"#{len(tries)}")
        tries[name] += 1
        # One hop has one name, whoever of those that saw a request knew what it was for.
        if operation == "authorise" and (caller, callee) in calls.passing:
            operation = FORWARD
        result, code = result_of(request)
        span = received.span if received is not None else spans.new()
        if callee in brought:  # an own service, too: what it asks next is below this
            brought[callee].append(ParentHop(span, request.started_ns, request.ended_ns))
        yield HopRecord(
            payment=payment,
            attempt=attempt,
            span=span,
            parent=parent_of(brought[caller], request.started_ns),
            caller=caller,
            operation=operation,
            callee=callee,
            route=calls.routes.get((caller, callee), 0),
            try_number=tries[name],
            started_ns=request.started_ns,
            ended_ns=request.ended_ns,
            result=result,
            code=code,
        )


def result_of(request: ObservedRequest) -> tuple[HopResult, str]:
    """How a request ended for the service, and the code that it got."""
    exchange, received = request.exchange, request.received
    if exchange is None:
        assert received is not None
        return received.result, received.code
    if not exchange.status:
        return _UNANSWERED.get(exchange.ended_by, HopResult.TIMEOUT), ""
    if received is not None and received.status == exchange.status:
        return received.result, received.code
    return _by_status(exchange.status), str(exchange.status)


def _by_status(status: int) -> HopResult:
    """What a status says where no link knows what it answered."""
    if status < 400:
        return HopResult.APPROVED
    return HopResult.HTTP_ERROR if status >= 500 else HopResult.REJECTED


def operation_of(request: ObservedRequest) -> str:
    """What a request was for: the link knows; of one that none has seen, method and path say it.

    A payment that is passed on as a whole is to be authorised.
    """
    if request.received is not None:
        operation = request.received.operation
        return "authorise" if operation in _PAYING else operation
    return named_by_path(request)


def named_by_path(request: ObservedRequest) -> str:
    """What method and path say that a request is for; an authorisation where they say nothing."""
    if request.method == "GET":
        return "query"
    path = request.target.partition("?")[0].lower()
    for word, operation in _OPERATIONS:
        if word in path:
            return operation
    return "authorise"
