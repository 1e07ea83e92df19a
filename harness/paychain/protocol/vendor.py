"""The seam between a payment provider's own API and the mock link behind it.

A vendor's API is one package in `protocol/dialects/` and one line in `VENDORS`. Each link that
speaks it has an object of its own, which keeps the vendor's objects (payment intents, customers)
and has the mock do everything that moves money:

    service's SDK ─ HttpRequest ─▶ VendorApi ─ VendorCall.execute ─▶ role, book, keys, faults
                  ◀ HttpResponse ─           ◀ Answer ─────────────

It does no I/O and takes clock and ids from its `Backend`, so that it runs in virtual time, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from paychain.payments.attribution import AttributedBy as AttributedBy
from paychain.payments.instrument import Instrument
from paychain.protocol.dialect import BookEntry
from paychain.protocol.message import Answer, Error, Event, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.wire.http import HttpRequest, HttpResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a request reveals about its payment. Amounts in minor units.

    `texts`: the merchant's texts (reference, description, metadata). `object_id`: the vendor's id
    of the object that it acts on, "" when it creates one. `makes_attempt`: whether it counts as a
    new attempt when none of this is known before; False for a request that moves no money.
    """

    headers: Mapping[str, str]
    texts: tuple[str, ...] = ()
    key: str = ""
    object_id: str = ""
    instrument: Instrument | None = None
    amount_minor: int = 0
    currency: str = ""
    makes_attempt: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributed:
    """The payment of a request, and which attempt of it this is.

    `reference` names the authorisation on every link it passes. `stated`: another payment that the
    request's own words name, where its trace says whose it is; "" for none.
    """

    payment: str
    attempt: int
    reference: str
    by: AttributedBy
    stated: str = ""


class CallFailed(Exception):
    """The link answers with an error. The frame answers any that the API does not catch."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.error = error


class VendorCall(Protocol):
    """One request at a vendor's API."""

    http: HttpRequest

    def attribute(self, evidence: Evidence) -> Attributed:
        """The payment that the request is for: a new attempt, or a known one by key or object."""

    async def execute(
        self,
        operation: str,
        request: PaymentRequest,
        *,
        is_keyed: bool = True,
        change: Callable[[], object] | None = None,
        undo: Callable[[], object] | None = None,
        note: Callable[[Answer], object] | None = None,
    ) -> Answer:
        """Have the mock authorise, capture, void or refund; `query` does nothing.

        Every request of a caller executes exactly one operation, so that faults, capacity, service
        time and idempotency keys apply to it; a request that moves no money is a `query` or a
        `read`. This does not return lost answers or stored answers to a repeated key: the frame
        handles both. Raises CallFailed for an error, which the frame answers unless the API catches
        it. Without `is_keyed` the request's key is not used up: nothing was begun whose outcome a
        repeat could get.

        `change` applies the request's changes to the API's own objects, and sends webhooks about
        them. It is called once, when the link does its work, even if the answer is then lost or
        becomes an error; never if the request fails before the work, or is a capture, void or
        refund that is declined, or a repeat that gets the stored outcome.
        `undo` reverts what others must see while the link works. It is called if the link fails
        before its work, once no request under the same key is in progress, unless one of them has
        done the work. `note` gets the link's own answer before `change` is called, whatever a
        fault makes of that answer afterwards.
        """

    def another(self) -> VendorCall:
        """A call for one more operation of the same request: a batch has several."""

    async def together(self, works: Iterable[Awaitable[None]]) -> None:
        """Wait for operations of the same request that go on at once, each by a call of its own.

        An answer that is lost or late concerns all of them. Raises the first failure when all have
        ended.
        """

    def card_given(self) -> None:
        """Record that the customer said on this page which card pays."""

    def ignored(self, parameter: str) -> None:
        """Record a parameter that the vendor knows and this mock ignores."""

    def not_served(self, what: str = "") -> None:
        """Record a request for something that this mock does not have, although the vendor may.

        `what`: its name; without it, the method and path of the request.
        """


class Backend(Protocol):
    """What a vendor's API needs from its link, whatever the request."""

    link: str
    currency: str  # the chain's, for an account whose requests name none
    network: str  # the chain's ledger, "" in a chain without one
    knows_keys: bool  # False: the link treats every request as a new one, whatever its key

    def now_s(self) -> int:
        """Seconds since 1970, as vendors date their objects."""

    def key_now(self, key: str) -> str:
        """The name under which to remember what a key did: another one once its window is over."""

    def entry(self, reference: str) -> BookEntry | None:
        """The link's book entry of an authorisation, None if there is none."""

    def notify(self, kind: str, request: PaymentRequest) -> None:
        """Send a webhook about `request`, if the link has webhooks and the vendor reports `kind`.

        The role itself reports the outcomes of payments (`message.Event.event`).
        """

    def at(self, at_s: int, then: Callable[[], None]) -> None:
        """Call `then` at a time of `now_s`, unless the link stops or loses its memory before."""


@runtime_checkable
class ReportsSeveral(Protocol):
    """A vendor that reports one outcome of a request by several webhooks."""

    def events(self, kind: str, request: PaymentRequest) -> tuple[str, ...]:
        """The vendor's own names of the events; empty where it reports nothing.

        Called once for each outcome, whether or not the link has webhooks: an API that shows what
        became of a request takes note of it here.
        """


@runtime_checkable
class CapturesAgain(Protocol):
    """A vendor that holds on to what a link behind refuses to capture: it may be captured again."""

    captures_again: ClassVar[bool]


@runtime_checkable
class CompletesAnswers(Protocol):
    """A vendor whose every answer repeats part of its request, even an error of the link."""

    def complete(self, http: HttpRequest, response: HttpResponse) -> None:
        """Add that part to the answer to `http`."""


@runtime_checkable
class NamesAuthorisations(Protocol):
    """A vendor whose name for an authorisation follows from our reference of it."""

    def name_of(self, reference: str) -> str:
        """The name that its dashboard shows: `pi_…`, a pspReference."""


class VendorApi(Protocol):
    """A payment provider's API as its SDKs use it. Created once for each link."""

    idempotency: ClassVar[str]  # its model in `services/state/idempotency.py`
    settings: ClassVar[tuple[str, ...]]  # what a chain may set: `{adyen: {merchant: ShopEU}}`
    signs_time: ClassVar[bool]  # a webhook's signature covers when it was sent
    hosts: ClassVar[tuple[str, ...]]  # where its real API is: `api.stripe.com`, `*.adyen.com`

    def __init__(self, backend: Backend, settings: Mapping[str, Any]) -> None: ...

    async def handle(self, call: VendorCall) -> HttpResponse:
        """Answer one request."""

    def key(self, http: HttpRequest) -> str:
        """The idempotency key of a request, "" when it has none."""

    def error(self, error: Error) -> HttpResponse:
        """An error in the vendor's own shape, an injected one included."""

    def mark_replayed(self, response: HttpResponse) -> HttpResponse:
        """A stored response, marked as the vendor marks one that it replays."""

    def reports(self, kind: str, request: PaymentRequest) -> bool:
        """Whether the vendor sends a webhook for an event of this kind.

        The capture of a sale has `is_sale`: some vendors report it with the authorisation only.
        """

    def webhook(self, event: Event, path: str, secret: str, sent_s: int) -> HttpRequest:
        """The request that reports an event to its receiver, signed with their shared secret."""

    @staticmethod
    def classify(response: HttpResponse) -> Reply:
        """The reply that a response stands for, and what it proves."""

    @staticmethod
    def secret(seed: str) -> str:
        """A webhook secret in the vendor's form, the same for the same seed."""


def choices_of(api: type[VendorApi]) -> Mapping[str, tuple[str, ...]]:
    """The values that a vendor's settings may have; settings that are not named may have any."""
    choices: Mapping[str, tuple[str, ...]] = getattr(api, "choices", {})
    return choices


def endpoints_of(api: type[VendorApi]) -> tuple[str, ...]:
    """All that a vendor's API serves, as `POST v2/payments/{id}/cancel`."""
    endpoints: tuple[str, ...] = getattr(api, "endpoints", ())
    return endpoints


def pages_of(api: type[VendorApi]) -> tuple[str, ...]:
    """The paths of its pages, where a customer pays, approves or authenticates."""
    pages: tuple[str, ...] = getattr(api, "pages", ())
    return pages


def roles_of(api: type[VendorApi]) -> tuple[str, ...]:
    """The roles of links that may speak a vendor's API; empty: any that payments go through."""
    roles: tuple[str, ...] = getattr(api, "roles", ())
    return roles


def assets_of(api: type[VendorApi]) -> tuple[str, ...]:
    """The assets that can be paid over a vendor's API; empty: that of any chain."""
    assets: tuple[str, ...] = getattr(api, "assets", ())
    return assets


def packages_of(api: type[VendorApi]) -> tuple[str, tuple[str, ...]]:
    """The extra of our package that a vendor's API needs, and the modules that come with it."""
    packages: tuple[str, tuple[str, ...]] = getattr(api, "packages", ("", ()))
    return packages


def numbers_of(api: type[VendorApi]) -> tuple[str, ...]:
    """The settings of a vendor that are whole numbers above 0."""
    numbers: tuple[str, ...] = getattr(api, "numbers", ())
    return numbers


def is_verified_by_api(api: type[VendorApi]) -> bool:
    """Whether receivers cannot verify webhooks themselves, and have the API verify them."""
    return bool(getattr(api, "is_verified_by_api", False))


def is_secret_of_api(api: type[VendorApi]) -> bool:
    """Whether clients need the webhooks' secret for the API as well: it is their private key."""
    return bool(getattr(api, "is_secret_of_api", False))


def secret_problem(api: type[VendorApi], secret: str) -> str:
    """Why a webhook signed with this secret cannot be verified, "" if it can."""
    check: Callable[[str], str] | None = getattr(api, "secret_problem", None)
    return check(secret) if check is not None else ""


def setting_problem(api: type[VendorApi], setting: str, value: str) -> str:
    """Why a setting's value cannot be used, "" if it can."""
    check: Callable[[str, str], str] | None = getattr(api, "setting_problem", None)
    return check(setting, value) if check is not None else ""


def webhook_hint(api: type[VendorApi]) -> str:
    """What else a receiver must be configured with, besides the secret, to accept webhooks."""
    hint: str = getattr(api, "webhook_hint", "")
    return hint


def shows_latest_state(api: type[VendorApi]) -> bool:
    """Whether a repeated key returns the current state of what the first request made.

    Neither its response nor its error is then replayed: the API gets an answer that is `replayed`,
    with an unknown outcome in place of an error, and shows what the book says.
    """
    return bool(getattr(api, "shows_latest_state", False))


def names_requests(api: type[VendorApi]) -> bool:
    """Whether each answer names its request: it is none to another one, which has another name."""
    return bool(getattr(api, "names_requests", False))


def webhook_timeout_s(api: type[VendorApi]) -> float | None:
    """How long a vendor waits for the answer to a webhook, in seconds; None if unknown."""
    timeout_s: float | None = getattr(api, "webhook_timeout_s", None)
    return timeout_s


def known_key(backend: Backend, key: str) -> str:
    """The name under which what a key did is remembered; "" if the link ignores keys."""
    return backend.key_now(key) if backend.knows_keys else ""


def events_of(api: VendorApi, kind: str, request: PaymentRequest) -> tuple[str, ...]:
    """The names of the webhooks that report one outcome of a request."""
    if isinstance(api, ReportsSeveral):
        return api.events(kind, request)
    return (kind,) if api.reports(kind, request) else ()
