"""What the chain map tells of each hop and link: payments, breaks, faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.analysis.measured import Break, HopMeasure
from harness.payments.journal import ASIDE
from harness.report.result import ChainFacts

CUSTOMER = "customer"
DROPS = 3  # lines of breaks under one link


class Striking(Protocol):
    """A fault that acted."""

    @property
    def id(self) -> str:
        """What it is called."""

    @property
    def target(self) -> str:
        """As the file says it: `link processor-a`."""


class Offered(Protocol):
    """How many payments a stretch of time had."""

    @property
    def kind(self) -> str:
        """`all` is the whole."""

    @property
    def offered(self) -> int:
        """Payments."""


class Traffic(Protocol):
    """What a chain map is drawn from: a run's result, or what goes on right now."""

    @property
    def chain(self) -> ChainFacts:
        """The links and the calls between them."""

    @property
    def hops(self) -> Sequence[HopMeasure]:
        """What each hop carried."""

    @property
    def breaks(self) -> Sequence[Break]:
        """Where payments broke."""

    @property
    def faults(self) -> Sequence[Striking]:
        """What struck."""

    @property
    def phases(self) -> Sequence[Offered]:
        """With one for the whole."""


@dataclass(frozen=True)
class Flow:
    """What went from one link to another."""

    payments: int
    sent: int  # executions that went out
    kept_back: int
    failed: int  # of those that went out
    operations: str
    is_fallback: bool


@dataclass(frozen=True)
class Drop:
    """Payments that broke on their way into a link."""

    words: str
    share: float  # of all payments
    is_all: bool  # there is only one way into the link


def flows(result: Traffic) -> dict[tuple[str, str], Flow]:
    """Every possible hop once, with what it carried."""
    found: dict[tuple[str, str], Flow] = {
        (CUSTOMER, result.chain.entry): Flow(0, 0, 0, 0, "", False)
    }
    for edge in result.chain.edges:
        key = edge.caller, edge.callee
        known = found.get(key)
        operations = f"{known.operations}, {edge.operation}" if known else edge.operation
        is_fallback = edge.route > 0 and (known is None or known.is_fallback)
        found[key] = Flow(0, 0, 0, 0, operations, is_fallback)
    for hop in result.hops:
        key = hop.caller, hop.callee
        if hop.operation in ASIDE or key not in found:
            continue
        one = found[key]
        found[key] = Flow(
            max(one.payments, hop.payments), one.sent + hop.sent, one.kept_back + hop.kept_back,
            one.failed + hop.failed_sent, one.operations, one.is_fallback,
        )  # fmt: skip
    return found


def broken(result: Traffic) -> dict[str, list[Drop]]:
    """What broke on the way into each link, by the calling link where there are several."""
    offered = next((one.offered for one in result.phases if one.kind == "all"), 0) or 1
    counted: dict[str, dict[str, int]] = {}
    for one in result.breaks:
        by_caller = counted.setdefault(one.callee or result.chain.entry, {})
        by_caller[one.caller] = by_caller.get(one.caller, 0) + one.payments
    found = {}
    for callee, by_caller in counted.items():
        if len({edge.caller for edge in result.chain.edges if edge.callee == callee}) < 2:
            payments = sum(by_caller.values())
            share = payments / offered
            found[callee] = [Drop(f"✕ {payments:,} broke ({share:.1%})", share, is_all=True)]
            continue
        ordered = sorted(by_caller.items(), key=lambda item: -item[1])
        if len(ordered) > DROPS:
            rest = ordered[DROPS - 1 :]
            ordered[DROPS - 1 :] = [(f"{len(rest)} others", sum(number for _, number in rest))]
        found[callee] = [
            Drop(f"✕ {number:,} from {caller}", number / offered, is_all=False)
            for caller, number in ordered
        ]
    return found


def struck(result: Traffic) -> dict[str, list[str]]:
    """Faults by the links they acted on."""
    found: dict[str, list[str]] = {}
    for fault in result.faults:
        kind, _, name = fault.target.partition(" ")
        links: list[str] = []
        if kind == "provider":
            links = [one.name for one in result.chain.links if one.provider == name]
        elif kind == "link":
            links = [name]
        elif kind == "hop":
            links = [name.partition("->")[2].strip()]
        elif kind == "call":
            caller, _, operation = name.partition(".")
            called = caller, operation, 0
            links = [
                one.callee
                for one in result.chain.edges
                if (one.caller, one.operation, one.route) == called
            ]
        for link in links:
            found.setdefault(link, []).append(fault.id)
    return found


def reached(name: str, between: dict[tuple[str, str], Flow], result: Traffic) -> str:
    """`640 calls`, or `1,240 payments` for the customer."""
    if name == CUSTOMER:
        offered = next((one.offered for one in result.phases if one.kind == "all"), 0)
        return f"{offered:,} payments"
    calls = sum(flow.sent for (_, callee), flow in between.items() if callee == name)
    return f"{calls:,} calls" if calls else "not reached"
