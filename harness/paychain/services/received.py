"""What a mock link notes of the requests of own services, which keep no journal of ours."""

from __future__ import annotations

import re

from paychain.payments.attribution import AttributedBy
from paychain.payments.exchanges import ReceivedRequest
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import HopResult
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.context import Context
from paychain.wire.http import HttpRequest, HttpResponse

MAX_TARGET = 512  # characters of a request's target that are recorded
# A number, and what has a digit and is longer than a word of an API (v72, oauth2), name an object.
_ID = re.compile(r"\d+|(?=.*\d).{8,}")


class ReceivedCall:
    """One request from its arrival to its answer. `span` leads to the hops behind the link."""

    def __init__(self, context: Context, http: HttpRequest) -> None:
        self.span = context.new_span()
        self.began_ns = context.now_ns()
        self.operation = "query"
        self.payment = ""
        self.attempt = 1
        self.by: AttributedBy = "nothing"
        self.key = ""
        self.reference = self.named = self.stated = ""
        self.captures_minor = 0
        self.is_stale = False  # its answer is that to an earlier request
        self._context, self._http = context, http

    def is_for(self, operation: str, request: PaymentRequest) -> None:
        """Note what it was for: it said so itself, in our own words."""
        self.operation, self.payment, self.attempt = operation, request.payment, request.attempt
        self.by = "reference"
        self.wants(operation, request)

    def wants(self, operation: str, request: PaymentRequest) -> None:
        """Note how much it asks for, where that is a capture."""
        if operation == "capture":
            self.captures_minor = request.amount_minor

    @property
    def asked(self) -> str:
        """Method and path, with `{id}` where an object is named: requests of a kind are alike."""
        path = self._http.target.partition("?")[0][:MAX_TARGET]
        parts = ("{id}" if _ID.fullmatch(part) else part for part in path.split("/"))
        return f"{self._http.method} {'/'.join(parts)}"

    def note(self, kind: DecisionKind, detail: str, operation: str, payment: str) -> None:
        """Record a decision of the mock about the request."""
        link = self._context.link
        self._context.decided(kind, operation, link, payment=payment, detail=detail)

    def record(self, caller: str, response: HttpResponse | None, reply: Reply | None) -> Reply:
        """Put it into the journal; what its answer was, a timeout where none leaves."""
        reply = reply or Reply(HopResult.TIMEOUT)
        self._context.journal.append(
            ReceivedRequest(
                link=self._context.link,
                caller=caller,
                port=self._http.peer_port,
                span=self.span,
                started_ns=self.began_ns,
                ended_ns=self._context.now_ns(),
                method=self._http.method,
                target=self._http.target[:MAX_TARGET],
                status=response.status if response is not None else 0,
                payment=self.payment,
                by=self.by,
                attempt=self.attempt,
                operation=self.operation,
                key=self.key,
                result=reply.result,
                code=reply.code,
                reference=self.reference,
                named=self.named,
                stated=self.stated,
                captures_minor=self.captures_minor,
                is_stale=self.is_stale,
            )
        )
        return reply
