"""A mock that speaks a vendor's JSON API in virtual time, and random requests to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
from hypothesis import strategies as st

from paychain.simulation.simulate import simulate
from paychain.wire.http import WireError
from tests.support.stripe_links import Shown, StripeLinks
from tests.support.vendor_links import PSP

TROUBLES: dict[str, tuple[str, dict[str, Any]]] = {
    "lost": ("lost_answer", {}),
    "error after": ("http_error", {"status": 500, "after_work": True}),
    "error before": ("http_error", {"status": 503}),
}
Asked = tuple[str, dict[str, Any]]  # path and body


class JsonLinks(StripeLinks):
    """The PSP and its issuer.

    `key_header`: where a request's key goes; else it goes into the body at the paths `keyed`.
    """

    def __init__(
        self, dialect: str, key_header: str = "", keyed: tuple[str, ...] = (), **further: str
    ) -> None:
        self.dialect = dialect
        self._key_header, self._keyed = key_header, keyed
        super().__init__(**further)

    def takes_key(self, path: str) -> bool:
        """Whether requests to a path have a key."""
        return bool(self._key_header) or path in self._keyed

    async def ask(
        self,
        method: str,
        path: str,
        fields: Any = None,
        *,
        key: str = "",
        timeout_s: float = 5.0,
        **headers: str,
    ) -> Shown:
        """One request with a JSON body."""
        sent = {"authorization": "Bearer test", "content-type": "application/json", **headers}
        if key and self._key_header:
            sent[self._key_header] = key
        elif key and self.takes_key(path):
            fields = {**(fields or {}), "idempotency_key": key}
        raw = fields if isinstance(fields, bytes) else b""
        if fields is not None and not raw:
            raw = msgspec.json.encode(fields)
        response = await self.pool.request(method, path, raw, headers=sent, timeout_s=timeout_s)
        try:
            body = msgspec.json.decode(response.body) if response.body else {}
        except msgspec.MsgspecError:
            body = {}
        return Shown(response.status, body, dict(response.headers))

    async def post(self, path: str, fields: Any = None, **more: Any) -> Shown:
        return await self.ask("POST", path, fields, **more)

    async def get(self, path: str, fields: Any = None, **more: Any) -> Shown:
        return await self.ask("GET", path, fields, **more)


def on_vendor(
    links: JsonLinks, scenario: Callable[[JsonLinks], Awaitable[None]], after_s: float = 1.0
) -> JsonLinks:
    """Run a scenario in virtual time, and what it leaves behind for some seconds."""

    async def whole() -> JsonLinks:
        await links.start()
        try:
            await scenario(links)
            await asyncio.sleep(after_s)
        finally:
            await links.stop()
        return links

    return simulate(lambda _loop: whole())


class Vendor(Protocol):
    """How a vendor is asked, and what its objects must agree with."""

    def request(self, step: tuple[Any, ...], order: str, known: list[str]) -> Asked | None:
        """Path and body of a step, None for one about an object that does not exist."""

    async def known(self, links: JsonLinks, orders: list[str]) -> list[str]:
        """The ids of the payments of these orders."""

    async def check(self, links: JsonLinks, name: str) -> None:
        """A payment against the book."""


_which = st.integers(0, 3)
_amount = st.integers(1, 1200)
_step = st.one_of(
    st.tuples(st.just("pay"), st.booleans(), st.booleans()),  # captured at once; authenticated
    st.tuples(st.just("capture"), _which, _amount, st.booleans()),  # others may follow
    st.tuples(st.just("capture all"), _which),
    st.tuples(st.just("void"), _which),
    st.tuples(st.just("refund"), _which, _amount),
    st.tuples(st.just("other"), _which),  # the vendor's own way to undo a payment
)
Steps = list[tuple[tuple[Any, ...], str | None, bool]]
steps = st.lists(
    st.tuples(_step, st.sampled_from([None, None, None, *TROUBLES]), st.booleans()),
    min_size=1,
    max_size=10,
)


@dataclass
class Run:
    """One sequence of requests. `order_of`: the order of the n-th."""

    links: JsonLinks
    vendor: Vendor
    order_of: Callable[[int], str]
    asked: int = 0
    known: list[str] = field(default_factory=list)

    async def whole(self, sequence: Steps) -> None:
        """Ask, and compare every payment with the book after each step."""
        for step, trouble, repeats in sequence:
            await self._ask(step, trouble, repeats=repeats)
            orders = [self.order_of(number) for number in range(1, self.asked + 1)]
            self.known = await self.vendor.known(self.links, orders)
            for name in self.known:
                await self.vendor.check(self.links, name)

    async def _ask(self, step: tuple[Any, ...], trouble: str | None, *, repeats: bool) -> None:
        """A request under a key of its own, and maybe again under the same one."""
        asked = self.vendor.request(step, self.order_of(self.asked + 1), self.known)
        if asked is None:
            return
        self.asked += 1
        kind, parameters = TROUBLES[trouble] if trouble is not None else ("", {})
        if kind:
            self.links.inject(kind, **parameters)
        first = await self._post(asked)
        if kind:
            self.links.heal(kind)
        if repeats:
            moved = self.links.booked(PSP)
            again = await self._post(asked)
            if trouble is None and first is not None and first.status < 300:
                assert again is not None
                if self.links.takes_key(asked[0]):
                    assert (again.status, again.body) == (first.status, first.body)
                assert self.links.booked(PSP) == moved

    async def _post(self, asked: Asked) -> Shown | None:
        try:
            return await self.links.post(*asked, key=f"key-{self.asked}", timeout_s=0.5)
        except WireError:
            return None


def assert_books_agree(links: JsonLinks) -> None:
    """What the PSP holds, captured and refunded is what the issuer did, and no more than held."""
    for kind in ("authorised", "captured", "refunded"):
        moved = [(ref, amount) for what, ref, amount in links.booked() if what == kind]
        behind = [(ref, amount) for what, ref, amount in links.booked(PSP) if what == kind]
        assert sorted(moved) == sorted(behind)
    sums: dict[tuple[str, str], int] = {}
    for kind, reference, amount in links.booked(PSP):
        sums[kind, reference] = sums.get((kind, reference), 0) + amount
    for kind, reference in sums:
        held, captured = (sums.get((each, reference), 0) for each in ("authorised", "captured"))
        assert sums.get(("refunded", reference), 0) <= captured <= held, (kind, reference)
