"""Calls that were in flight at a time, and calls that failed: what a fault or a stall met."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from paychain.analysis.store.fallback_uses import WORKED
from paychain.analysis.store.store import RunStore
from paychain.payments.outcome import HopResult

_NAME = "caller || '.' || operation || '.' || callee"


class FailedCall(NamedTuple):
    """A hop that did not work; `result` is a HopResult."""

    payment: str
    span: str
    caller: str
    operation: str
    callee: str
    began_ns: int
    ended_ns: int
    result: str

    @property
    def route(self) -> tuple[str, str, str]:
        """Caller, operation and callee: what a breaker stands before."""
        return self.caller, self.operation, self.callee


def refusals(store: RunStore) -> Iterator[tuple[str, int]]:
    """Every refused attempt to connect: the name of the hop's proxy, and when (ns)."""
    yield from store.select(
        f"SELECT {_NAME}, ended_ns FROM hop WHERE result = ?", (HopResult.REFUSED.value,)
    )


def has_call(store: RunStore, hops: Iterable[str], since_ns: int, until_ns: float) -> bool:
    """Whether a call was sent over one of these hops, by name, and in flight in that time."""
    names = list(hops)
    marks = ", ".join("?" * len(names))
    found = store.select(
        "SELECT 1 FROM hop WHERE ended_ns >= ? AND started_ns <= ? AND result != ? "
        f"AND {_NAME} IN ({marks}) LIMIT 1",
        (since_ns, until_ns, HopResult.NOT_TRIED.value, *names),
    )
    return any(found)


def calls_to(store: RunStore, link: str, since_ns: int, until_ns: float) -> tuple[int, int]:
    """Calls to a link: those in flight in that time that failed, and those sent before it."""
    ((failed, before),) = store.select(
        "SELECT COALESCE(SUM(ended_ns >= ? AND started_ns <= ? "
        f"AND result NOT IN ({WORKED})), 0), COALESCE(SUM(started_ns < ?), 0) "
        "FROM hop WHERE callee = ? AND result != ?",
        (since_ns, until_ns, since_ns, link, HopResult.NOT_TRIED.value),
    )
    return failed, before


def calls_during(store: RunStore, link: str, since_ns: int, until_ns: float) -> int:
    """The number of calls to a link that were in flight in that time, whatever their result."""
    ((number,),) = store.select(
        "SELECT COUNT(*) FROM hop WHERE ended_ns >= ? AND started_ns <= ? AND callee = ? "
        "AND result != ?",
        (since_ns, until_ns, link, HopResult.NOT_TRIED.value),
    )
    return int(number)


def failed_calls(store: RunStore) -> Iterator[FailedCall]:
    """Every hop that did not work."""
    yield from map(
        FailedCall._make,
        store.select(
            "SELECT payment, span, caller, operation, callee, started_ns, ended_ns, result "
            f"FROM hop WHERE result NOT IN ({WORKED})",
            (),
        ),
    )


def has_failure_below(store: RunStore, call: FailedCall) -> bool:
    """Whether a call that this one led to failed as well. Index the store before."""
    found = store.select(
        f"SELECT 1 FROM hop WHERE payment = ? AND parent = ? AND result NOT IN ({WORKED}) LIMIT 1",
        (call.payment, call.span),
    )
    return any(found)


def due_ns(store: RunStore, payment: str) -> int:
    """When a payment was to start; 0 for one that no customer made. Index the store before."""
    found = store.select("SELECT intended_ns FROM txn WHERE payment = ?", (payment,))
    return next((int(intended_ns) for (intended_ns,) in found), 0)
