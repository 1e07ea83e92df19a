"""Every observed request of the own services: as the engine saw it, as the link saw it, or both.

An exchange and a link's record are of one request when it came over the same connection: the
engine's port on its connection to the link is the port that the link sees its caller at, and of
several requests on one connection each comes to the link after it came to the engine and before the
next one does.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from paychain.analysis.attribution.own_run import OwnRun
from paychain.analysis.store.store import RunStore
from paychain.payments.attribution import AttributedBy
from paychain.payments.exchanges import TRACED, HttpExchange, ReceivedRequest

JOINED = "observed"  # the table of pairs: an exchange and a link's record, by their rows
BATCH = 10_000  # pairs written at once


class ObservedRequest(NamedTuple):
    """One request of an own service. At least one of the two views is there."""

    exchange: HttpExchange | None
    received: ReceivedRequest | None

    @property
    def is_traced(self) -> bool:
        """The caller's side is what the service's own trace says of it."""
        return self.exchange is not None and self.exchange.connection == TRACED

    @property
    def payment(self) -> str:
        """The payment that it is for; the link knows it best. "" or `?…`: none is known."""
        if self.received is not None and self.received.payment:
            return self.received.payment
        return self.exchange.payment if self.exchange is not None else ""

    @property
    def started_ns(self) -> int:
        """When it left the service, as far as anybody saw."""
        if self.exchange is not None:
            return self.exchange.started_ns
        assert self.received is not None
        return self.received.started_ns

    @property
    def ended_ns(self) -> int:
        """When it was over for the service, as far as anybody saw."""
        if self.exchange is not None:
            return self.exchange.ended_ns
        assert self.received is not None
        return self.received.ended_ns

    @property
    def caller(self) -> str:
        """The own service."""
        if self.exchange is not None:
            return self.exchange.hop.split(".")[0]
        assert self.received is not None
        return self.received.caller

    @property
    def callee(self) -> str:
        """The link that it was for."""
        if self.exchange is not None:
            return self.exchange.hop.rpartition(".")[2]
        assert self.received is not None
        return self.received.link

    @property
    def key(self) -> str:
        """Its idempotency key, "" without one."""
        if self.received is not None:
            return self.received.key
        return self.exchange.key if self.exchange is not None else ""

    @property
    def by(self) -> AttributedBy:
        """By what its payment was found."""
        if self.received is not None and self.received.payment:
            return self.received.by
        return self.exchange.by if self.exchange is not None else "nothing"

    @property
    def method(self) -> str:
        """GET, POST, …"""
        view = self.exchange or self.received
        return view.method if view is not None else ""

    @property
    def target(self) -> str:
        """Path and query."""
        view = self.exchange or self.received
        return view.target if view is not None else ""


def join(run: OwnRun) -> None:
    """What the engine and the links recorded of one request is one pair, in the table JOINED."""
    store = run.store
    store.create_table(JOINED, ("exchange", "received"))
    sent = store.select(
        "SELECT started_ns, 0, rowid, hop, port FROM exchange WHERE connection != ? "
        "ORDER BY started_ns",
        (TRACED,),
    )
    came = store.select(
        "SELECT started_ns, 1, rowid, link, port FROM received ORDER BY started_ns", ()
    )
    last: dict[tuple[str, int], int] = {}  # exchange by callee and port, until it is paired
    pairs: list[tuple[int | None, int | None]] = []
    for _, is_received, row, name, port in merge(sent, came):
        if is_received:
            pairs.append((last.pop((name, port), None), row))
        elif port:
            callee = name.rpartition(".")[2]
            replaced = last.get((callee, port))
            if replaced is not None:
                pairs.append((replaced, None))
            last[callee, port] = row
        else:
            pairs.append((row, None))
        if len(pairs) >= BATCH:
            _write(store, pairs)
    pairs += [(row, None) for row in last.values()]
    _write(store, pairs)


def _write(store: RunStore, pairs: list[tuple[int | None, int | None]]) -> None:
    store.add_rows(JOINED, pairs)
    pairs.clear()


def observed_requests(store: RunStore) -> Iterator[ObservedRequest]:
    """Every observed request, payment by payment, in the order in which they started."""
    both = (
        f"SELECT {_columns(HttpExchange, 'e')}, {_columns(ReceivedRequest, 'r')} FROM {JOINED} j "
        "LEFT JOIN exchange e ON e.rowid = j.exchange "
        "LEFT JOIN received r ON r.rowid = j.received "
        "ORDER BY COALESCE(NULLIF(r.payment, ''), e.payment, ''), "
        "COALESCE(e.started_ns, r.started_ns)"
    )
    size = len(HttpExchange.__struct_fields__)
    for row in store.select(both, ()):
        yield ObservedRequest(_of(HttpExchange, row[:size]), _of(ReceivedRequest, row[size:]))


def by_payment(store: RunStore) -> Iterator[tuple[str, list[ObservedRequest]]]:
    """The observed requests of each payment; under "" those of none."""
    for payment, requests in groupby(observed_requests(store), attrgetter("payment")):
        yield payment, list(requests)


def _columns(kind: type[Any], alias: str) -> str:
    return ", ".join(f"{alias}.[{name}]" for name in kind.__struct_fields__)


def _of(kind: Any, row: tuple[Any, ...]) -> Any:
    """A record of its columns; None when all of them are null."""
    if all(value is None for value in row):
        return None
    return msgspec.convert([kind.__struct_config__.tag, *row], kind, strict=False)
