"""A run as OpenTelemetry traces: a payment is a trace, every call a span, a decision an event.

    payment p1                    customer, root
    └── authorise                 shop → gateway
        └── authorise             gateway → processor-a      event: timeout, reversal_sent …

The faults of the run are a trace of their own, each a span from when it was applied to when it was
healed. Format: OTLP/JSON, as the collector's `file` exporter writes and its `otlpjsonfile` receiver
reads it, a line per request (opentelemetry.io/docs/specs/protocol/file-exporter).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import blake2b
from typing import Any

from paychain.analysis.store.store import RecordedPayment, RunStore
from paychain.payments.journal import FaultSwitch, HopRecord, PaymentRecord

Json = dict[str, Any]

TRACES_PATH = "/v1/traces"  # opentelemetry.io/docs/specs/otlp: the default URL path
PAYMENTS_PER_REQUEST = 200
CUSTOMER = "customer"
FAULTS = "paychain faults"
_INTERNAL, _CLIENT = 1, 3  # SpanKind
_ERROR = 2  # StatusCode
_TRACE_BYTES, _SPAN_BYTES = 16, 8
_Spans = dict[str, list[Json]]  # by the service that made them


class OtlpWriter:
    """The traces of one run. `run` is its name: the same run gives the same ids.

    `started_at`: when its clock began, ISO 8601.
    """

    def __init__(self, run: str, chain: str, started_at: str) -> None:
        self._run, self._chain = run, chain
        self._epoch_ns = int(datetime.fromisoformat(started_at).timestamp()) * 1_000_000_000

    def requests(self, store: RunStore) -> Iterator[Json]:
        """Trace export requests: the faults first, then some hundred payments each."""
        yield self._request({FAULTS: list(self._faults(store.rows(FaultSwitch)))})
        spans: _Spans = defaultdict(list)
        for number, story in enumerate(store.stories(), start=1):
            self._add_payment(spans, story)
            if number % PAYMENTS_PER_REQUEST == 0:
                yield self._request(spans)
                spans.clear()
        if spans:
            yield self._request(spans)

    def _request(self, spans: _Spans) -> Json:
        return {
            "resourceSpans": [
                {
                    "resource": {
                        "attributes": _attributes(
                            {
                                "service.name": service,
                                "service.namespace": self._chain,
                                "paychain.run": self._run,
                            }
                        )
                    },
                    "scopeSpans": [{"scope": {"name": "paychain"}, "spans": made}],
                }
                for service, made in spans.items()
            ]
        }

    def _faults(self, switches: Iterable[FaultSwitch]) -> Iterator[Json]:
        applied: dict[str, FaultSwitch] = {}
        last_ns = 0
        number = 0
        for switch in switches:
            last_ns = max(last_ns, switch.acknowledged_ns)
            if switch.action == "applied":
                applied[switch.fault] = switch
            elif (began := applied.pop(switch.fault, None)) is not None:
                number += 1
                yield self._fault(number, began, switch.effective_ns)
        for began in applied.values():  # the run ended before they were healed
            number += 1
            yield self._fault(number, began, max(last_ns, began.effective_ns))

    def _fault(self, number: int, began: FaultSwitch, until_ns: int) -> Json:
        return self._span(
            self._trace_id(FAULTS),
            self._span_id(FAULTS, str(number)),
            name=began.fault,
            kind=_INTERNAL,
            from_ns=began.effective_ns,
            until_ns=until_ns,
            attributes={
                "paychain.fault": began.fault,
                "paychain.place": began.place,
                "paychain.targets": began.targets,
            },
            problem=began.error,
        )

    def _add_payment(self, spans: _Spans, story: RecordedPayment) -> None:
        trace = self._trace_id(story.payment)
        root = self._span_id(story.payment, CUSTOMER)
        parents = {hop.span for hop in story.hops}
        if story.customer is not None:
            spans[CUSTOMER].append(self._payment(trace, root, story.customer, story))
        for hop in story.hops:
            made = self._hop(trace, story.payment, hop)
            # A parent that was not recorded, and the customer's own hop, hang on the payment.
            if hop.parent in parents:
                made["parentSpanId"] = self._span_id(story.payment, hop.parent)
            elif story.customer is not None:
                made["parentSpanId"] = root
            spans[hop.caller].append(made)

    def _payment(self, trace: str, root: str, paid: PaymentRecord, story: RecordedPayment) -> Json:
        span = self._span(
            trace,
            root,
            name="payment",
            kind=_INTERNAL,
            from_ns=paid.started_ns,
            until_ns=paid.ended_ns,
            attributes={
                "paychain.payment": paid.payment,
                "paychain.order": paid.order or paid.payment,
                "paychain.amount_minor": paid.amount_minor,
                "paychain.currency": paid.currency,
                "paychain.merchant": paid.merchant,
                "paychain.outcome": str(paid.outcome),
                "paychain.shown": paid.shown,
                "paychain.code": paid.code,
                "paychain.decided_by": paid.decided_by,
            },
            problem=paid.shown if paid.technical else "",
        )
        events = [
            self._event(
                decision.at_ns,
                str(decision.kind),
                {
                    "paychain.link": decision.link,
                    "paychain.operation": decision.operation,
                    "paychain.target": decision.target,
                    "paychain.detail": decision.detail,
                },
            )
            for decision in story.decisions
        ] + [
            self._event(
                movement.at_ns,
                f"money {movement.kind}",
                {
                    "paychain.link": movement.link,
                    "paychain.amount_minor": movement.amount_minor,
                    "paychain.currency": movement.currency,
                    "paychain.reference": movement.reference,
                },
            )
            for movement in story.movements
        ]
        span["events"] = sorted(events, key=lambda event: int(event["timeUnixNano"]))
        return span

    def _hop(self, trace: str, payment: str, hop: HopRecord) -> Json:
        return self._span(
            trace,
            self._span_id(payment, hop.span),
            name=hop.operation,
            kind=_CLIENT,
            from_ns=hop.started_ns,
            until_ns=hop.ended_ns,
            attributes={
                "service.peer.name": hop.callee,
                "paychain.attempt": hop.attempt,
                "paychain.try": hop.try_number,
                "paychain.route": hop.route,
                "paychain.result": str(hop.result),
                "paychain.code": hop.code,
            },
            problem="" if hop.result.worked else str(hop.result),
        )

    def _span(
        self,
        trace: str,
        span: str,
        *,
        name: str,
        kind: int,
        from_ns: int,
        until_ns: int,
        attributes: Json,
        problem: str,
    ) -> Json:
        made: Json = {
            "traceId": trace,
            "spanId": span,
            "name": name,
            "kind": kind,
            "startTimeUnixNano": str(self._epoch_ns + from_ns),
            "endTimeUnixNano": str(self._epoch_ns + max(from_ns, until_ns)),
            "attributes": _attributes(attributes),
        }
        if problem:
            made["status"] = {"code": _ERROR, "message": problem}
        return made

    def _event(self, at_ns: int, name: str, attributes: Json) -> Json:
        return {
            "timeUnixNano": str(self._epoch_ns + at_ns),
            "name": name,
            "attributes": _attributes(attributes),
        }

    def _trace_id(self, name: str) -> str:
        return _digest(_TRACE_BYTES, self._run, name)

    def _span_id(self, payment: str, span: str) -> str:
        return _digest(_SPAN_BYTES, self._run, payment, span)


def _digest(size: int, *words: str) -> str:
    """In hexadecimal. All zeros would be invalid, and does not happen."""
    return blake2b("\0".join(words).encode(), digest_size=size).hexdigest()


def _attributes(values: Json) -> list[Json]:
    """Without those that are empty."""
    return [
        {"key": key, "value": _value(value)}
        for key, value in values.items()
        if value not in ("", None, [])
    ]


def _value(value: str | int | list[str]) -> Json:
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, list):
        return {"arrayValue": {"values": [{"stringValue": each} for each in value]}}
    return {"stringValue": value}
