"""One try of a customer as the exchanges that it takes, for a driver that sends and waits.

step = exchange.start(now_ns)
while isinstance(step, Send):
    ...                                  # wait until step.at_ns, send step.http
    step = exchange.receive(got, now_ns) # the response, or what the wire raised
reply = step
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from paychain.load.traffic.plan import EntryPlan
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply, failure_of
from paychain.wire.http import HttpRequest, HttpResponse, WireError

Got = HttpResponse | WireError


class Try(NamedTuple):
    """One try to pay, to be made now.

    `timeout_s`: how long it may take without any answer; `patience_s`: how long the customer waits
    in all for a payment that the entry has accepted.
    """

    request: PaymentRequest
    span: str
    timeout_s: float
    entry: EntryPlan
    number: int = 1
    patience_s: float = 0.0  # at least timeout_s
    lingers_s: float = 0.0  # before the second request
    named_share: float = 1.0  # of the amount, in each request after the first
    is_look: bool = False  # the customer returns and looks up the payment's outcome


class Send(NamedTuple):
    """One request to send at a time, and how long to wait for its response from then on.

    `to`: host and port of a provider's page; "" for the entry.
    """

    http: HttpRequest
    at_ns: int
    timeout_s: float
    to: str = ""


Step = Send | Reply


class Conversation(Protocol):
    """What one try sends, and what it makes of the responses."""

    def start(self, now_ns: int) -> Step:
        """The first request, or the reply of a try that sends nothing."""

    def receive(self, got: Got, now_ns: int) -> Step:
        """What follows a response, or the failure of a request."""


class SingleAnswer:
    """A try at a link that answers a payment with its outcome."""

    def __init__(self, http: HttpRequest, attempt: Try) -> None:
        self._http, self._attempt = http, attempt

    def start(self, now_ns: int) -> Step:
        """The payment."""
        return Send(self._http, now_ns, self._attempt.timeout_s)

    def receive(self, got: Got, now_ns: int) -> Step:  # noqa: ARG002  (a parameter of every Conversation's)
        """The reply."""
        if isinstance(got, WireError):
            return Reply(failure_of(got))
        return DIALECTS[self._attempt.entry.dialect].classify(got)
