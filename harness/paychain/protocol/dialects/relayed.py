"""What an edge passes on in front of an own service: the customer's own HTTP, as it came.

No link declares this dialect: an edge speaks it when the link behind it is paid by the user's own
API (`pays:`). It reads which payment a request is for from its trace, and from the template of the
service what an answer says about it; it changes neither. Sources: RFC 9110 §7.6 (what a proxy must
not pass on), W3C Trace Context and Baggage.
"""

from __future__ import annotations

from paychain.payments.cards import Card
from paychain.payments.codes import APPROVED
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.dialects.native import Native
from paychain.protocol.envelope import CALLER_HEADER, TRACE_HEADER
from paychain.protocol.message import Answer, Error, ErrorKind, Event, PaymentRequest
from paychain.protocol.pays.outcomes import json_of, matching
from paychain.protocol.pays.requests import BAGGAGE_HEADER
from paychain.protocol.pays.template import PaysTemplate
from paychain.protocol.reply import Reply
from paychain.wire.http import HttpRequest, HttpResponse

CUSTOMER = "customer"
_UNREAD_CARD = Card("", "")  # an edge reads no payment
# Of one connection, not of the message (RFC 9110 §7.6.1); the wire writes the host and the length.
_OF_A_CONNECTION = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


class RelayedRequest(PaymentRequest, kw_only=True):
    """A request that is passed on. Of its payment, only the id is known."""

    http: HttpRequest


class RelayedAnswer(Answer, kw_only=True):
    """An answer that is passed back, whatever it says."""

    http: HttpResponse


class Relayed:
    """The dialect of an edge. `template`: how the service behind it is paid."""

    def __init__(self, template: PaysTemplate) -> None:
        self._template = template
        self._own = Native()

    def read(self, http: HttpRequest) -> tuple[str, PaymentRequest] | HttpResponse:
        """Whatever comes is passed on: from a customer, or from an edge in front."""
        operation = "pay" if http.headers.get(CALLER_HEADER) == CUSTOMER else "forward"
        return operation, RelayedRequest(payment_in(http), 0, "", _UNREAD_CARD, http=http)

    def write(
        self,
        request: PaymentRequest,  # noqa: ARG002  (a parameter of every Dialect's)
        answer: Answer,
    ) -> HttpResponse:
        """The service's answer; an edge's own answer is an error, as of a proxy."""
        if isinstance(answer, RelayedAnswer):
            return answer.http
        return self._own.error(Error(ErrorKind.GATEWAY_TIMEOUT))

    def error(self, error: Error) -> HttpResponse:
        """An error of the edge itself: 502 or 504, as any proxy's."""
        return self._own.error(error)

    def ask(self, operation: str, request: PaymentRequest) -> HttpRequest:  # noqa: ARG002  (a parameter of every Dialect's)
        """The request as it came, but for what belongs to the connection."""
        assert isinstance(request, RelayedRequest), "an edge passes on what it received"
        http = request.http
        return HttpRequest(http.method, http.target, _passed_on(http.headers), http.body)

    def classify(self, response: HttpResponse) -> Reply:
        """What the answer says; an error that the template does not describe proves nothing.

        Any answer is passed back, an error of the service included.
        """
        headers = _passed_on(response.headers)
        passed = HttpResponse(response.status, response.body, headers)
        pattern = matching(self._template, response, None, json_of(response))
        kind = pattern.outcome if pattern is not None else ""
        match kind:
            case "approved":
                answer = RelayedAnswer(Outcome.APPROVED, APPROVED, http=passed)
                return Reply(HopResult.APPROVED, APPROVED, answer)
            case "declined":
                assert pattern is not None
                result = HopResult.TECHNICAL if pattern.technical else HopResult.DECLINED
                return Reply(result, "", RelayedAnswer(Outcome.DECLINED, http=passed))
            case "rejected":
                answer = RelayedAnswer(Outcome.DECLINED, http=passed)
                return Reply(HopResult.REJECTED, str(response.status), answer)
            case _:
                answer = RelayedAnswer(Outcome.UNKNOWN, http=passed)
        if kind != "pending" and response.status >= 400:
            return Reply(HopResult.HTTP_ERROR, str(response.status), answer)
        return Reply(HopResult.ANSWERED, str(response.status), answer)

    def sign(self, event: Event, secret: str) -> Event:
        """As every mock link does: an edge has no webhooks of its own."""
        return self._own.sign(event, secret)

    def is_signed(self, event: Event, secret: str) -> bool:
        """As every mock link does."""
        return self._own.is_signed(event, secret)


def payment_in(http: HttpRequest) -> str:
    """The payment that a request is for, by its baggage or its trace; "" when neither names it."""
    for member in http.headers.get(BAGGAGE_HEADER, "").split(","):
        name, _, value = member.partition(";")[0].partition("=")
        if name.strip() == "payment":
            return value.strip()
    parts = http.headers.get(TRACE_HEADER, "").split("-")
    try:
        return bytes.fromhex(parts[1]).lstrip(b"\0").decode("ascii") if len(parts) == 4 else ""
    except ValueError:
        return ""


def _passed_on(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in _OF_A_CONNECTION}
