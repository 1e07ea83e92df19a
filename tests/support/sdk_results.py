"""What official SDKs made of the mocks, one file a vendor and language, for docs/dialects.md.

Tests check the results in any case. They write the files only where the environment variable
`PAYCHAIN_RECORD_SDK` is set, so that a run leaves no changed files behind.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

RESULTS = Path(__file__).parents[1] / "conformance" / "sdk" / "results"
RECORDS = "PAYCHAIN_RECORD_SDK"
PASSED, FAILED, NOT_OFFERED = "passed", "failed", "not offered"
# What every dialect is asked, in the order of the table.
SCENARIOS = {
    "authorise": "a payment is authorised, and captured at once where the vendor does so",
    "decline": "the SDK's own exception or result names the reason for a decline",
    "authentication": "the customer has to authenticate, and the payment is completed afterwards",
    "capture in parts": "an authorisation is captured in two parts, or partly, releasing the rest",
    "void": "an authorisation is cancelled, and cannot be captured any more",
    "refund": "a capture is refunded in parts, and not beyond its amount",
    "query": "the state of a payment is read back",
    "repeat": "the same key again returns the same payment and moves no money",
    "mismatch": "the same key with another body is refused",
    "in flight": "the same key while the first request is in progress is refused",
    "http 503": "the vendor's own failure: what the SDK raises, and how often it tries",
    "rate limit": "the vendor's own refusal of too many requests",
    "cut connection": "the connection breaks before the answer: the money moved once",
    "unknown parameter": "unknown parameters are refused as the vendor refuses them",
    "webhook": "the SDK verifies a webhook, and rejects one with another body",
}
# What follows a payment, or is the SDK's own way: where the vendor has such a thing.
FURTHER = {
    "customer": "a customer is created, changed, found, and deleted",
    "stored card": "a card that is kept pays without its number, and no more once it is removed",
    "hosted page": "the customer pays on a page of the vendor's, which the shop then reads back",
    "front end": "what a shop's front end needs, and what it collects: tokens, nonces, sessions",
    "catalogue": "products and prices, found by the shop's own names for them",
    "order": "an order with its lines is changed, paid, shipped or searched, as the vendor has it",
    "lists": "a list of several pages is read, to its end where an SDK has a pager; filters",
    "GraphQL": "the vendor's other API: charge, decline, capture, refund, reverse, read back",
    "changed refund": "a refund is changed, or cancelled while that is possible",
    "dispute": "a payment that was charged back is read, and answered with evidence",
    "errors": "each status of an error as the SDK's own class",
    "own retries": "what the SDK sends again by itself, and under which key",
    "headers": "what the SDK sends of itself: API version, user agent, telemetry, account",
    "webhook checks": "old, unsigned and wrongly signed webhooks, and a secret being changed",
}
# Which of those each vendor has: its tests fail where the scenario of one is missing.
OFFERED = {
    "adyen": ("stored card", "hosted page", "front end", "errors", "headers"),
    "braintree": (
        "customer",
        "stored card",
        "front end",
        "lists",
        "GraphQL",
        "errors",
        "headers",
    ),
    "checkout": (
        "customer",
        "stored card",
        "hosted page",
        "front end",
        "errors",
        "own retries",
        "headers",
    ),
    "paypal": ("stored card", "order", "lists", "errors", "own retries", "headers"),
    "square": (
        "customer",
        "stored card",
        "hosted page",
        "order",
        "lists",
        "errors",
        "own retries",
        "headers",
    ),
    "stripe": tuple(name for name in FURTHER if name not in ("order", "GraphQL")),
}


def rows_of(vendor: str) -> tuple[str, ...]:
    """What every SDK of a vendor is asked, in the order of the table."""
    return (*SCENARIOS, *OFFERED[vendor])


class Cell(msgspec.Struct, kw_only=True):
    """One scenario in one language. `detail`: what the SDK did, in a few words."""

    scenario: str
    result: str
    detail: str = ""


class Column(msgspec.Struct, kw_only=True):
    """The scenarios of one vendor with one SDK."""

    vendor: str
    language: str
    sdk: str  # its name and version
    cells: list[Cell]


def keep(column: Column) -> None:
    """Write a column, where results are recorded. Cells of scenarios that did not run stay."""
    if not os.environ.get(RECORDS):
        return
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{column.vendor}-{column.language}.json"
    cells = {cell.scenario: cell for cell in column.cells}
    if path.exists():
        before = msgspec.json.decode(path.read_bytes(), type=Column)
        cells = {**{cell.scenario: cell for cell in before.cells}, **cells}
    order = {name: place for place, name in enumerate({**SCENARIOS, **FURTHER})}
    column.cells = sorted(cells.values(), key=lambda cell: order.get(cell.scenario, len(order)))
    path.write_bytes(msgspec.json.format(msgspec.json.encode(column), indent=1) + b"\n")


def columns() -> list[Column]:
    """Every column that was recorded."""
    return [
        msgspec.json.decode(path.read_bytes(), type=Column)
        for path in sorted(RESULTS.glob("*.json"))
    ]
