"""The seam between a message and its bytes: how one vendor's API says what links exchange.

A dialect is one module in `protocol/dialects/` and one line in its registry. It is pure: no I/O,
no clock, no chance. A mock link that speaks it uses `read`, `write`, `error`; whoever calls such a
link uses `ask` and `classify`; webhooks are signed and proved by the sender's dialect.
"""

from __future__ import annotations

from typing import Protocol

from paychain.protocol.message import Answer, Error, Event, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.wire.http import HttpRequest, HttpResponse


class BookEntry(Protocol):
    """What a dialect may show of an authorisation in the link's book. Amounts in minor units."""

    captured_minor: int
    refunded_minor: int

    @property
    def state(self) -> str:
        """in_flight, authorised, not_authorised, voided or expired."""

    @property
    def rest_minor(self) -> int:
        """Held and not captured."""

    @property
    def request(self) -> PaymentRequest | None:
        """The authorisation as it was booked, None when nothing was ever held."""


class Asks(Protocol):
    """The caller's side of a dialect."""

    def ask(self, operation: str, request: PaymentRequest) -> HttpRequest:
        """The bytes that ask a link for an operation, or report an event to its receiver."""

    def classify(self, response: HttpResponse) -> Reply:
        """What a response says, and what its status proves about the request."""


class Signs(Protocol):
    """The sender's side of a webhook."""

    def sign(self, event: Event, secret: str) -> Event:
        """The event, signed with the `secret` that its sender shares with its receiver."""


class Dialect(Asks, Signs, Protocol):
    """How a link speaks on the wire."""

    def read(self, http: HttpRequest) -> tuple[str, PaymentRequest] | HttpResponse:
        """The operation and its request (an `Event` for a webhook), with its idempotency key.

        A request that cannot be read brings the error response that its caller gets.
        """

    def write(self, request: PaymentRequest, answer: Answer) -> HttpResponse:
        """The answer to `request`."""

    def error(self, error: Error) -> HttpResponse:
        """An error as the vendor's own API reports it, an injected one included."""

    def is_signed(self, event: Event, secret: str) -> bool:
        """Whether `event` was signed with `secret`."""
