"""The webhooks of a provider, made by the same code as those of a mock link."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from paychain.payments.cards import TEST_CARDS
from paychain.payments.money import written
from paychain.protocol.dialects.vendors import VENDORS
from paychain.protocol.message import Event, PaymentRequest
from paychain.protocol.vendor import VendorApi, events_of, webhook_hint
from paychain.wire.http import HttpRequest

SIGNED_IN_BODY = (b"hmacSignature", b"bt_signature")
SIGNATURE_WORDS = ("signature", "hmac")  # in the name of what carries one
REFERENCE = "paychain-probe"


@dataclass(slots=True)
class _Entry:
    """A booked payment of this size."""

    request: PaymentRequest
    captured_minor: int
    refunded_minor: int = 0
    state: str = "authorised"

    @property
    def rest_minor(self) -> int:
        """Held and not captured."""
        return self.request.amount_minor - self.captured_minor


@dataclass
class _NoLink:
    """The backend of a provider's API that has no link behind it."""

    link: str = "probe"
    currency: str = "EUR"
    network: str = ""
    knows_keys: bool = True
    entries: dict[str, _Entry] = field(default_factory=dict)

    def now_s(self) -> int:
        """Seconds since 1970."""
        return int(time.time())

    def key_now(self, key: str) -> str:
        """A probe ends long before any key's window."""
        return key

    def entry(self, reference: str) -> _Entry | None:
        """The payment that an event is about."""
        return self.entries.get(reference)

    def notify(self, kind: str, request: PaymentRequest) -> None:
        """There is no link behind it, so nothing is sent."""

    def at(self, at_s: int, then: Callable[[], None]) -> None:
        """Nothing happens by itself, either."""


class ProbeWebhooks:
    """Makes events of one provider about payments of one order. Amounts in minor units."""

    def __init__(
        self, dialect: str, secret: str, *, order: str, amount_minor: int, currency: str
    ) -> None:
        self._backend = _NoLink(currency=currency)
        self._api: VendorApi = VENDORS[dialect](self._backend, {})
        self._secret = secret
        self._order, self._amount_minor, self._currency = order, amount_minor, currency
        self._run = f"{int(time.time()) % 1_000_000:06d}"

    @property
    def other_secret(self) -> str:
        """A secret of the right form that the handler does not have."""
        return self._api.secret("somebody else's")

    @property
    def is_dated(self) -> bool:
        """Whether the provider's signature covers the time of sending."""
        return self._api.signs_time

    def kinds_of(self, *kinds: str) -> list[str]:
        """Those kinds of events that the provider has."""
        return [kind for kind in kinds if events_of(self._api, kind, self._request(kind, "a", "a"))]

    @property
    def hint(self) -> str:
        """What else a handler of the vendor's has to be set to, "" for nothing."""
        return webhook_hint(type(self._api))

    def event(
        self, kind: str, name: str, *, secret: str | None = None, age_s: int = 0
    ) -> HttpRequest:
        """A signed event about the payment `name`, which makes its id; the same each time."""
        reference = f"{REFERENCE}{self._run}{name}-1"
        request = self._request(kind, name, reference)
        self._backend.entries[reference] = _Entry(
            request,
            self._amount_minor if kind != "authorised" else 0,
            self._amount_minor if kind == "refunded" else 0,
        )
        event = Event.of(request, kind, 0)
        sent_s = self._backend.now_s() - age_s
        return self._api.webhook(event, "/", secret or self._secret, sent_s)

    def _request(self, kind: str, name: str, reference: str) -> PaymentRequest:
        return PaymentRequest(
            name if name.startswith("nobody") else self._order,
            self._amount_minor,
            self._currency,
            TEST_CARDS[0],
            reference=reference,
            item="r1" if kind == "refunded" else "c1" if kind == "captured" else "",
        )

    def unsigned(self, kind: str, name: str) -> HttpRequest:
        """The event without what carries its signature, in a header or in its body."""
        request = self.event(kind, name)
        headers = {
            header: value
            for header, value in request.headers.items()
            if not any(word in header.lower() for word in SIGNATURE_WORDS)
        }
        body = request.body
        if headers == request.headers:
            for word in SIGNED_IN_BODY:
                body = body.replace(word, b"none")
        return HttpRequest(request.method, request.target, headers, body)

    def changed(self, kind: str, name: str) -> HttpRequest:
        """The event with another amount than the one that was signed."""
        request = self.event(kind, name)
        body = request.body
        if body.startswith(b"bt_"):
            form = dict(parse_qsl(body.decode()))
            document = self._with_another_amount(base64.b64decode(form["bt_payload"]))
            body = urlencode({**form, "bt_payload": base64.encodebytes(document)}).encode()
        else:
            body = self._with_another_amount(body)
        return HttpRequest(request.method, request.target, request.headers, body)

    def _with_another_amount(self, body: bytes) -> bytes:
        """The bytes with a larger amount, in minor units or as a decimal."""
        minor = self._amount_minor
        decimal = written(minor, self._currency).partition(" ")[0].replace(",", "")
        for amount in (str(minor), decimal):
            if amount.encode() in body:
                return body.replace(amount.encode(), b"1" + amount.encode())
        raise AssertionError("the amount is in the event")
