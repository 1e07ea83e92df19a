"""A merchant at Braintree: its settings, and how its requests are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from paychain.protocol.dialect import BookEntry
from paychain.protocol.dialects.braintree.documents import Unreadable, read
from paychain.protocol.dialects.braintree.records import CardVault, Records
from paychain.protocol.vendor import Backend, known_key
from paychain.protocol.vendor_ids import decode, encode
from paychain.protocol.vendor_ignored import Ignored
from paychain.wire.http import HttpRequest

KEY = "api_request_key"
PUBLIC_KEY = "paychain"  # of webhooks' signatures, unless a chain names another
BATCH, AT_ONCE = "batch", "at_once"
SIMULATE, IGNORE = "simulate", "ignore"


@dataclass(slots=True, kw_only=True)
class Account:
    """The merchant of one link.

    `merchant_id`: the only one, "" where any is served. `currency`: of its merchant account.
    `settlement`: with `batch` only the sandbox's own path settles during a run, with `at_once` a
    submission does. `test_amounts`: whether the sandbox's test amounts are declined.
    """

    backend: Backend
    merchant_id: str
    currency: str
    settlement: str
    test_amounts: str
    public_key: str
    registry: Records = field(default_factory=Records)
    vault: CardVault = field(default_factory=CardVault)
    ignored: Ignored = field(default_factory=Ignored)

    @classmethod
    def of(cls, backend: Backend, settings: Mapping[str, Any]) -> Account:
        """The account that a chain declares."""
        return cls(
            backend=backend,
            merchant_id=settings.get("merchant_id", ""),
            currency=settings.get("currency") or backend.currency,
            settlement=settings.get("settlement", BATCH),
            test_amounts=settings.get("test_amounts", IGNORE),
            public_key=settings.get("public_key", PUBLIC_KEY),
        )

    def key(self, http: HttpRequest) -> str:
        """The `api_request_key` in a request's transaction, "" when it has none."""
        if KEY.encode() not in http.body and b"api-request-key" not in http.body:
            return ""
        try:
            value = transaction_of(http).get(KEY)
        except Unreadable:
            return ""
        return value if isinstance(value, str) else ""

    def known_key(self, http: HttpRequest) -> str:
        """Under which its key is remembered; "" if the link ignores keys."""
        return known_key(self.backend, self.key(http))

    def entry(self, reference: str) -> BookEntry | None:
        """The book entry of an authorisation, None if there is none."""
        return self.backend.entry(reference)


def transaction_of(http: HttpRequest) -> dict[str, Any]:
    """The transaction in a request, empty when it has none. Raises Unreadable."""
    given = read(http.body, http.headers.get("content-type", "")).get("transaction")
    return given if isinstance(given, dict) else {}


def nonce_of(token: str, number: int) -> str:
    """The n-th nonce, of the card with a token."""
    return f"tokencc_{encode(f'{number}/{token}')}"


def token_in(nonce: str) -> str:
    """The token of the card that a nonce was made of, "" for any other text."""
    return (decode(nonce.removeprefix("tokencc_")) or "").partition("/")[2]


def text(given: dict[str, Any], name: str) -> str:
    """A parameter as text, "" for a missing one."""
    value = given.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)


def inside(given: dict[str, Any], name: str) -> dict[str, Any]:
    """A nested object of parameters, empty if it is missing."""
    value = given.get(name)
    return value if isinstance(value, dict) else {}


def is_true(value: Any) -> bool:
    """Whether a boolean parameter is true, as JSON or as text."""
    return value is True or value == "true"
