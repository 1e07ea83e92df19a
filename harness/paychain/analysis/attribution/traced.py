"""What own services say of their calls themselves, where nobody else saw them.

The engine and the links come first. A client span completes

- a request that only the link has seen, as with a real Toxiproxy: how long its service waited, and
  how it ended for it;
- a call that nobody has seen: its connection was refused, or, where no engine reads the hops, it
  was lost on the way.

A span of what the engine has seen adds nothing, nor does one within another: of two instrumented
libraries that make one call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from paychain.analysis.attribution.observed import JOINED
from paychain.analysis.store.store import RunStore
from paychain.payments.exchanges import TRACED, EndedBy

CLOCKS_NS = 20_000_000  # so much may the service's clock and ours differ
BATCH = 10_000  # rows changed at once


class _Span(NamedTuple):
    payment: str
    row: int  # in the table of exchanges
    callee: str
    started_ns: int
    ended_ns: int
    ended_by: EndedBy


class _Seen(NamedTuple):
    """A request that the engine or the link has seen."""

    payment: str
    row: int  # in the table of pairs
    callee: str
    started_ns: int
    is_engines: bool


def add_traced(store: RunStore) -> None:
    """Complete the observed requests by the spans of their services. After `join`."""
    spans = groupby(_spans(store), itemgetter(0))
    first = next(spans, None)
    if first is None:
        return
    of_engine = "SELECT 1 FROM exchange WHERE connection != ? LIMIT 1"
    engine_sees = next(iter(store.select(of_engine, (TRACED,))), None) is not None
    completed: list[tuple[int, int]] = []
    lone: list[tuple[int, None]] = []
    seen = groupby(_seen(store), itemgetter(0))
    requests = next(seen, None)
    group: tuple[str, Iterator[_Span]] | None = first
    while group is not None:
        payment, of_payment = group
        # Both are in the order of their payments.
        while requests is not None and requests[0] < payment:
            requests = next(seen, None)
        known = list(requests[1]) if requests is not None and requests[0] == payment else []
        for span, request in _matched(_outer(list(of_payment)), known):
            if request is not None:
                if not request.is_engines:
                    completed.append((span.row, request.row))
            elif span.ended_by == "refused" or (span.ended_by != "answer" and not engine_sees):
                lone.append((span.row, None))
        group = next(spans, None)
    store.set_column(JOINED, "exchange", completed)
    store.add_rows(JOINED, lone)


def _spans(store: RunStore) -> Iterator[_Span]:
    rows = store.select(
        "SELECT payment, rowid, hop, started_ns, ended_ns, ended_by FROM exchange "
        "WHERE connection = ? AND payment != '' ORDER BY payment, started_ns, ended_ns DESC",
        (TRACED,),
    )
    for payment, row, hop, started_ns, ended_ns, ended_by in rows:
        yield _Span(payment, row, hop.rpartition(".")[2], started_ns, ended_ns, ended_by)


def _seen(store: RunStore) -> Iterator[_Seen]:
    rows = store.select(
        "SELECT COALESCE(NULLIF(r.payment, ''), e.payment, '') of, j.rowid, "
        "COALESCE(r.link, e.hop), COALESCE(e.started_ns, r.started_ns) at, j.exchange "
        f"FROM {JOINED} j LEFT JOIN exchange e ON e.rowid = j.exchange "
        "LEFT JOIN received r ON r.rowid = j.received WHERE of != '' ORDER BY of, at",
        (),
    )
    for payment, row, place, started_ns, exchange in rows:
        yield _Seen(payment, row, place.rpartition(".")[2], started_ns, exchange is not None)


def _outer(spans: Sequence[_Span]) -> Iterator[_Span]:
    """The spans that lie within no other one of the same hop, in the order of their starts."""
    last: dict[str, _Span] = {}
    for span in spans:
        before = last.get(span.callee)
        if before is None or span.ended_ns > before.ended_ns:
            last[span.callee] = span
            yield span


def _matched(
    spans: Iterator[_Span], requests: Sequence[_Seen]
) -> Iterator[tuple[_Span, _Seen | None]]:
    """Each span with the request that it is of, as far as somebody else saw one."""
    left = list(requests)
    for span in spans:
        found = None
        if span.ended_by != "refused":
            found = next((request for request in left if _is_of(request, span)), None)
        if found is not None:
            left.remove(found)
        yield span, found


def _is_of(request: _Seen, span: _Span) -> bool:
    """Whether a request came while its span lasted; one that was given up may come later."""
    if request.callee != span.callee or request.started_ns < span.started_ns - CLOCKS_NS:
        return False
    return span.ended_by != "answer" or request.started_ns <= span.ended_ns + CLOCKS_NS
