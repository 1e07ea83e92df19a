"""What all requests at one link's vendor API share: the link behind, and what is remembered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from paychain.payments.bounded import BoundedDict
from paychain.protocol.dialect import BookEntry
from paychain.protocol.envelope import Envelope
from paychain.protocol.message import AnswerOrError, Delivery, PaymentRequest
from paychain.protocol.vendor import VendorApi, names_requests, shows_latest_state
from paychain.services.attribution import Attribution
from paychain.services.context import Context
from paychain.services.request_work import OnWork
from paychain.services.vendor_change import Overlaps
from paychain.wire.http import HttpResponse

MAX_STORED = 100_000  # responses that are given again for a repeated key
MAX_LAST = 1_000  # operations and paths: more than any API has


class VendorLink(Protocol):
    """A link, as its vendor's API sees it."""

    async def receive(
        self,
        operation: str,
        request: PaymentRequest,
        envelope: Envelope,
        on_work: OnWork | None = None,
    ) -> AnswerOrError | Delivery | None:
        """Work on a request; None when no answer ever leaves."""

    def note_headers(self, payment: str, headers: Mapping[str, str]) -> None:
        """Know with which headers a request about a payment came."""

    async def ready_to_answer(self, payment: str) -> None:
        """Wait until the answer to a request of a payment may leave."""

    def key_now(self, key: str) -> str:
        """The name under which what a key did is remembered."""

    def entry(self, reference: str) -> BookEntry | None:
        """The link's book on an authorisation."""

    def notify(self, kind: str, request: PaymentRequest) -> None:
        """Send a webhook, where the link has any."""

    def uncapture(self, request: PaymentRequest) -> None:
        """Hold again what a link behind has refused to capture."""


class KeyedRequest(NamedTuple):
    """What a request with a key is about: a repeat may be written anew, but asks for the same."""

    payment: str
    path: str
    amounts: tuple[bytes, ...]  # as they are written

    def is_beside(self, first: KeyedRequest) -> bool:
        """Whether it is another request of the payment than the first under its key."""
        return self.payment == first.payment and self != first


@dataclass(kw_only=True)
class ServedApi:
    """What all requests at one link's API share, and what is remembered of them.

    A link that forgets everything begins with a new one. `caller`: the own service that calls it.
    """

    api: VendorApi
    link_behind: VendorLink
    context: Context
    attribution: Attribution
    caller: str
    knows_keys: bool
    stored: BoundedDict[tuple[str, str], HttpResponse] = field(
        default_factory=lambda: BoundedDict(MAX_STORED)
    )
    last: BoundedDict[tuple[str, str], HttpResponse] = field(
        default_factory=lambda: BoundedDict(MAX_LAST)
    )
    # By operation and key.
    first: BoundedDict[tuple[str, str], KeyedRequest] = field(
        default_factory=lambda: BoundedDict(MAX_STORED)
    )
    # By operation, key and payment: what was refused after it was answered as received.
    refused: BoundedDict[tuple[str, str, str], None] = field(
        default_factory=lambda: BoundedDict(MAX_STORED)
    )
    overlaps: Overlaps = field(default_factory=Overlaps)

    @property
    def shows_latest_state(self) -> bool:
        """Whether a repeated key returns the current state of what the first request made."""
        return shows_latest_state(type(self.api))

    @property
    def names_requests(self) -> bool:
        """Whether an answer names its request, and is none to another one."""
        return names_requests(type(self.api))
