"""What was observed of an own service's requests: at the fault engine, and at the mock link.

An own service keeps no journal of ours. The engine that carries its hops sees when a request left
it and how that ended for it; the mock link sees what the request was about. `analysis/attribution`
makes the records of its hops of both.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from paychain.payments.attribution import AttributedBy
from paychain.payments.outcome import HopResult

# What ended it: an answer that the service has got; the service left; the link closed; a fault or
# the engine cut it; the engine stopped with the run; the answer was no HTTP; no connection was
# made, which only the service itself can say.
EndedBy = Literal["answer", "client", "server", "engine", "run", "garbage", "refused"]
TRACED = 0  # in place of the connection's number: the service's own trace says it


class HttpExchange(msgspec.Struct, frozen=True, tag="exchange", array_like=True, gc=False):
    """One HTTP request over an observed hop, as the fault engine saw it from the caller's side.

    Or as the service itself reports it in a client span of OpenTelemetry: `connection` is TRACED.

    `connection` is the number of the caller's connection on the hop's proxy, `request` counts the
    requests on it from 1. `port`: the engine's own on its connection to the callee, 0 when there
    was none. `started_ns`: the first byte came; `sent_ns`: the whole request had come, 0 when it
    never did; `ended_ns`: the last byte of the answer left for the caller, or there will be none.
    `status` is 0 without an answer. `toxics`: those that were on, separated by blanks.

    Only of a request that no mock link may have seen (it had no answer, or went to another own
    service): `key`, its idempotency key; `payment` and `by`, as far as the bytes show it without
    knowing the vendor; `hints`, words of one that shows no payment, by which whoever collects it
    may know it. Of a client span `hints` are its id and that of the span above it.
    """

    hop: str
    connection: int
    request: int
    port: int
    started_ns: int
    sent_ns: int
    ended_ns: int
    method: str
    target: str
    status: int
    ended_by: EndedBy
    toxics: str
    payment: str
    by: AttributedBy
    key: str
    hints: str = ""


class ReceivedRequest(
    msgspec.Struct, kw_only=True, frozen=True, tag="received", array_like=True, gc=False
):
    """One request of an own service at a mock link, as the link saw it.

    `port` is that of the connection on the caller's side. `span` leads to the hops behind the link.
    A payment that is not known has the name `?LINK-NUMBER`. `result` and `code`: what the answer
    says, as the vendor's own client would read it.
    """

    link: str
    caller: str
    port: int
    span: str
    started_ns: int
    ended_ns: int
    method: str
    target: str
    status: int
    payment: str
    by: AttributedBy
    attempt: int
    operation: str
    key: str
    result: HopResult
    code: str
    # Of an authorisation: our reference of it, and the vendor's name, where it has one.
    reference: str = ""
    named: str = ""
    stated: str = ""  # another payment that its own words name, where its trace says whose it is
    captures_minor: int = 0  # how much a capture asked for; 0: not known, or no capture
    is_stale: bool = False  # its answer was that to an earlier request: the link did not see it
