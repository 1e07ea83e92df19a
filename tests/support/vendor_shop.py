"""A shop that pays over a vendor's SDK, whichever it is, and what its scenarios come to.

The scenarios of a vendor are functions over a `Shop`; an SDK is driven through a `Client`, whose
own exceptions and checks are the assertions.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pytest

from tests.support.sdk_results import FAILED, NOT_OFFERED, PASSED, Cell, Column, keep
from tests.support.vendor_links import VendorLinks, payment

FAULTS = ("http_error", "lost_answer", "malformed", "rate_limit", "slow_answer")
WAIT_S = 10.0
_numbers = iter(range(1, 10_000))


class Failed(Exception):
    """What an SDK raised: the name of its exception, and what that says."""

    def __init__(self, name: str, status: int, codes: list[str]) -> None:
        super().__init__(f"{name} {status} {', '.join(codes)}".strip())
        self.name = name
        self.status = status
        self.codes = codes


class Client(Protocol):
    """An SDK of one vendor in one language."""

    language: str
    sdk: str

    def ask(
        self, operation: str, body: dict[str, Any] | None = None, name: str = "", key: str = ""
    ) -> Any:
        """The answer to a request, as plain values. `name`: of what it is about. Raises Failed."""


class Shop:
    """A client, and payments of its own."""

    def __init__(self, links: VendorLinks, client: Client) -> None:
        self.links = links
        self.client = client
        self.order = payment(next(_numbers))

    def events(self) -> list[dict[str, Any]]:
        """The bodies of the webhooks that came to the shop."""
        return [json.loads(http.body) for http in self.links.received]

    def failures(self, statuses: Sequence[int], pay: Callable[[], Any]) -> list[Failed]:
        """What the SDK raises for an answer with each of these statuses."""
        found = []
        for status in statuses:
            self.links.inject("http_error", status=status)
            with pytest.raises(Failed) as caught:
                pay()
            self.links.heal("http_error")
            assert caught.value.status == status
            found.append(caught.value)
        return found

    def broken_json(self, pay: Callable[[], Any], *, field: str, lacks: str) -> str:
        """What the SDK makes of broken JSON: an exception, or an answer without a field.

        `lacks`: what that answer is without, in words.
        """
        self.links.inject("malformed")
        try:
            answer = pay()
        except Failed as failed:
            return failed.name
        assert field not in answer
        return f"no exception, but an answer without a {lacks}"

    def event(self, of: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first webhook for which `of` holds, as soon as it has come."""
        until_s = time.monotonic() + WAIT_S
        while time.monotonic() < until_s:
            for event in self.events():
                if of(event):
                    return event
            time.sleep(0.005)
        raise AssertionError(f"no such webhook among {self.events()}")

    def booked(self, kind: str) -> list[int]:
        """Amounts of the order that the issuer has booked."""
        self.links.settle()
        return [
            amount
            for what, reference, amount in self.links.booked()
            if what == kind and reference.startswith(self.order)
        ]

    def requests(self) -> int:
        """Requests of the order at the mock."""
        return sum(hop.payment == self.order for hop in self.links.hops())


class NotOffered(Exception):
    """The vendor or its SDK has no such thing. What it says is kept in the table."""


class Scenarios(dict[str, Callable[[Any], str]]):
    """What is asked of a vendor's mock, by the name of its row in the table."""

    def add(self, name: str) -> Callable[[Callable[[Any], str]], Callable[[Any], str]]:
        """Register a scenario."""

        def registered(check: Callable[[Any], str]) -> Callable[[Any], str]:
            self[name] = check
            return check

        return registered


def judge(vendor: str, name: str, check: Callable[[Any], str], shop: Shop) -> None:
    """Run a scenario and keep what became of it; the links are whole again afterwards."""
    cell = Cell(scenario=name, result=FAILED)
    client = shop.client
    column = Column(vendor=vendor, language=client.language, sdk=client.sdk, cells=[cell])
    try:
        cell.detail = check(shop)
        cell.result = PASSED
    except NotOffered as reason:
        cell.detail, cell.result = str(reason), NOT_OFFERED
    finally:
        keep(column)
        for kind in FAULTS:
            shop.links.heal(kind)
        shop.links.cut_next(0)


def redirected(page: str) -> str:
    """Where a page sends its visitor."""

    class Stays(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    try:
        urllib.request.build_opener(Stays).open(page, timeout=5)
    except urllib.error.HTTPError as answer:
        return str(answer.headers["location"])
    raise AssertionError("no redirection")
