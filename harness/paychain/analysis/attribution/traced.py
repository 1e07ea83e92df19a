"""Calls of own services known only from their own traces.

The engine and the links come first. A client span completes

- a request that only the link has seen, as with a real Toxiproxy: how long its service waited, and
  how it ended for it;
- a call that nobody has seen: its connection was refused, or, where no engine reads the hops, it
  was lost on the way.

A span of what the engine has seen adds nothing, nor does one within another: of two instrumented
libraries that make one call. Calls side by side are calls of their own, also where one of them
lasts for all of the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from math import inf
from operator import itemgetter
from typing import NamedTuple

from paychain.analysis.attribution.observed import JOINED
from paychain.analysis.attribution.own_run import OwnRun
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
    id: str = ""  # in its trace, "" where it is not known
    above: str = ""  # the span that it is within

    def is_around(self, other: _Span) -> bool:
        """Whether it lasted for all of another one."""
        return self.started_ns <= other.started_ns and other.ended_ns <= self.ended_ns


class _RequestSeen(NamedTuple):
    """A request that the engine or the link has seen."""

    payment: str
    row: int  # in the table of pairs
    callee: str
    started_ns: int
    is_engines: bool


def add_traced(run: OwnRun) -> None:
    """Every call that the spans of its service know is one observed request."""
    store = run.store
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
        "SELECT payment, rowid, hop, started_ns, ended_ns, ended_by, hints FROM exchange "
        "WHERE connection = ? AND payment != '' ORDER BY payment, started_ns, ended_ns DESC",
        (TRACED,),
    )
    for payment, row, hop, started_ns, ended_ns, ended_by, hints in rows:
        own, _, above = hints.partition(" ")
        callee = hop.rpartition(".")[2]
        yield _Span(
            payment=payment,
            row=row,
            callee=callee,
            started_ns=started_ns,
            ended_ns=ended_ns,
            ended_by=ended_by,
            id=own,
            above=above,
        )


def _seen(store: RunStore) -> Iterator[_RequestSeen]:
    rows = store.select(
        "SELECT COALESCE(NULLIF(r.payment, ''), e.payment, '') of, j.rowid, "
        "COALESCE(r.link, e.hop), COALESCE(e.started_ns, r.started_ns) at, j.exchange "
        f"FROM {JOINED} j LEFT JOIN exchange e ON e.rowid = j.exchange "
        "LEFT JOIN received r ON r.rowid = j.received WHERE of != '' ORDER BY of, at",
        (),
    )
    for payment, row, place, started_ns, exchange in rows:
        yield _RequestSeen(payment, row, place.rpartition(".")[2], started_ns, exchange is not None)


def _outer(spans: Sequence[_Span]) -> list[_Span]:
    """The spans that lie within no other one of the same hop, in the order of their starts."""
    by_id = {span.id: span for span in spans if span.id}
    return [
        span
        for span in spans
        if not any(
            other is not span and other.callee == span.callee and _is_within(span, other, by_id)
            for other in spans
        )
    ]


def _is_within(span: _Span, other: _Span, by_id: Mapping[str, _Span]) -> bool:
    """Whether a span is a part of another one's call, by the spans above it.

    Where these are not known, such as when an internal span came late, their times say it.
    """
    above = _above(span, by_id)
    if other.id and other.id in above:
        return True
    others = _above(other, by_id)
    # Under the same span, or the other one within this: two calls, or the outer one of one.
    if span.id in others or (above and others and above[-1] == others[-1]):
        return False
    is_same = (span.started_ns, span.ended_ns) == (other.started_ns, other.ended_ns)
    return other.is_around(span) and (not is_same or other.row < span.row)


def _above(span: _Span, by_id: Mapping[str, _Span]) -> list[str]:
    """The ids of the client spans above one, and of what is above the last of them."""
    found: list[str] = []
    while span.above and span.above not in found:
        found.append(span.above)
        if span.above not in by_id:
            break
        span = by_id[span.above]
    return found


def _matched(
    spans: Sequence[_Span], requests: Sequence[_RequestSeen]
) -> Iterator[tuple[_Span, _RequestSeen | None]]:
    """Each span with the request that it is of, as far as somebody else saw one.

    Each request, in their order, is of the span that could be of the fewest later ones.
    """
    left = [span for span in spans if span.ended_by != "refused"]
    found: dict[int, _RequestSeen] = {}
    for request in requests:
        span = min(
            (span for span in left if _is_of(request, span)),
            key=lambda span: span.ended_ns if span.ended_by == "answer" else inf,
            default=None,
        )
        if span is not None:
            left.remove(span)
            found[span.row] = request
    for span in spans:
        yield span, found.get(span.row)


def _is_of(request: _RequestSeen, span: _Span) -> bool:
    """Whether a request came while its span lasted; one that was given up may come later."""
    if request.callee != span.callee or request.started_ns < span.started_ns - CLOCKS_NS:
        return False
    return span.ended_by != "answer" or request.started_ns <= span.ended_ns + CLOCKS_NS
