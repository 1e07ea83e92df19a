"""A merchant account at Adyen: its settings, and the payments that it knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from paychain.payments.bounded import BoundedDict
from paychain.protocol.dialects.adyen import bodies
from paychain.protocol.dialects.adyen.errors import Invalid
from paychain.protocol.dialects.adyen.records import (
    Modification,
    Page,
    Records,
    StoredCard,
)
from paychain.protocol.vendor import Backend, known_key
from paychain.protocol.vendor_ignored import Ignored
from paychain.protocol.vendor_keyed import MadeByKey
from paychain.wire.http import HttpRequest

MAX_PAGES = 100_000
MAX_KEYS = 200_000
MAX_STORED = 100_000
HOSTS = ("*.adyen.com", "*.adyenpayments.com")  # where its real API is
KEY = "idempotency-key"
MANUAL, IMMEDIATE = "manual", "immediate"
SINGLE, MULTIPLE = "single", "multiple"


@dataclass(slots=True, kw_only=True)
class Account:
    """The merchant account of one link.

    `merchant`: its name, "" for any. `capture`: whether Adyen captures by itself. With
    `partial_captures` of `single` the first capture releases the rest.
    """

    backend: Backend
    merchant: str
    capture: str
    partial_captures: str
    registry: Records = field(default_factory=Records)
    unreported: set[tuple[str, str]] = field(default_factory=set)  # modifications in progress
    ignored: Ignored = field(default_factory=Ignored)
    pages: BoundedDict[str, Page] = field(default_factory=lambda: BoundedDict(MAX_PAGES))  # by id
    pages_made: int = 0
    stored: BoundedDict[str, StoredCard] = field(default_factory=lambda: BoundedDict(MAX_STORED))
    stored_alone: int = 0  # cards, without a payment
    # By target and key: the page or card that a request made, the stage of the payment that it
    # continued.
    pages_by_key: MadeByKey[Page] = field(default_factory=lambda: MadeByKey(MAX_PAGES))
    stored_by_key: MadeByKey[StoredCard] = field(default_factory=lambda: MadeByKey(MAX_STORED))
    # By target and key: our reference of a payment, and the stored card that it was made with.
    cards_of_keys: BoundedDict[tuple[str, str], tuple[str, StoredCard]] = field(
        default_factory=lambda: BoundedDict(MAX_STORED)
    )
    stages_of_keys: BoundedDict[tuple[str, str], str] = field(
        default_factory=lambda: BoundedDict(MAX_KEYS)
    )

    @classmethod
    def of(cls, backend: Backend, settings: Mapping[str, Any]) -> Account:
        """The account that a chain declares."""
        return cls(
            backend=backend,
            merchant=settings.get("merchant", ""),
            capture=settings.get("capture", IMMEDIATE),
            partial_captures=settings.get("partial_captures", MULTIPLE),
        )

    def key(self, http: HttpRequest) -> str:
        """The idempotency key of a request, "" when it has none."""
        return http.headers.get(KEY, "")

    def known_key(self, http: HttpRequest) -> tuple[str, str] | None:
        """Under which its key is remembered; None without one, or where the link keeps no keys."""
        key = known_key(self.backend, self.key(http))
        return (http.target, key) if key else None

    def repeated(self, http: HttpRequest) -> Modification | None:
        """The modification that a request repeats under its key; None for a new one."""
        return self.registry.repeated(self.known_key(http))

    def captures_at_once(self, body: dict[str, Any], additional: dict[str, Any]) -> bool:
        """Whether an authorisation is captured by Adyen at once. Raises Invalid.

        A capture that is delayed by hours would come after the end of any run, so it is never made
        here.
        """
        wants_manual = bodies.is_true(additional.get("manualCapture"))
        if wants_manual is not None:
            return not wants_manual
        delay = body.get("captureDelayHours")
        if delay is None:
            return self.capture == IMMEDIATE
        if not isinstance(delay, int) or isinstance(delay, bool) or delay < 0:
            raise Invalid("wrong_type", fields="captureDelayHours")
        return delay == 0
