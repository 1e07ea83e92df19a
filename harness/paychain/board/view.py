"""What the board shows: one value for its page and the terminal, made from the session."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from paychain.analysis.measures.histogram import Histogram
from paychain.analysis.measures.measures import HopMeasure
from paychain.board.live import WINDOW_S, LiveFault
from paychain.board.plots import latency_plot, success_plot
from paychain.board.session import Session
from paychain.board.switches import SwitchTarget
from paychain.model.places import links_of
from paychain.payments.money import written
from paychain.payments.rules import RULES
from paychain.report.drawings.chain_map import chain_map
from paychain.runs.declared import chain_facts

MAX_LISTED = 12  # hops and notes: more is not read while it changes
MAX_PROBLEMS = 3


class ShownHop(msgspec.Struct, frozen=True):
    """A hop in the last seconds, and its breaks since the load began."""

    name: str
    calls: int = 0
    failed: int = 0
    broke: int = 0
    broke_in_total: int = 0


class ShownFault(msgspec.Struct, kw_only=True, frozen=True):
    """A fault that is on."""

    id: str
    target: str  # "link" or "provider"
    name: str
    kind: str
    values: dict[str, str]
    on_s: int  # for how long


class ShownRule(msgspec.Struct, kw_only=True, frozen=True):
    """A money rule that payments broke."""

    title: str
    payments: int
    amount: str
    examples: list[str]


class ShownMoney(msgspec.Struct, kw_only=True, frozen=True):
    """What the money rules found so far."""

    judged: int  # payments
    open: int  # payments that are not final yet
    rules: int
    wrong: str
    wrong_minor: int
    broken: list[ShownRule]


class SavedRun(msgspec.Struct, kw_only=True, frozen=True):
    """A run of this session that is over."""

    file: str  # its experiment
    verdict: str
    command: str
    report: str


class BoardState(msgspec.Struct, kw_only=True, frozen=True):
    """Everything that changes while somebody watches the board. Without a unit: payments."""

    run: int  # number of the run in this session
    phase: str  # ready, running, stopped, saving
    rate: float  # payments per second
    wanted_rate: int
    waiting: int
    window_s: int
    payments: int  # in the window
    success: float | None  # share in the window
    p50_ms: float | None
    p95_ms: float | None
    all_payments: int
    all_broke: int
    on: list[ShownFault]
    hops: list[ShownHop]
    money: ShownMoney
    notes: list[tuple[float, str]]  # seconds of the session, and what happened; newest first
    saved: list[SavedRun]
    problems: list[str]
    map: str = ""  # SVG
    plots: list[str] = []  # SVG


def page_of(session: Session, spec: str, rate: int) -> dict[str, Any]:
    """What the page shows and never changes."""
    return {
        "chain": session.chain.chain,
        "title": session.chain.title or session.chain.chain,
        "spec": spec,
        "engine": f"{session.running.engine.name} {session.running.engine.version}",
        "seed": session.seed,
        "rate": rate,
        "places": [_place(place) for place in session.places],
        "window_s": WINDOW_S,
        "rules": len(RULES),
        "quiet_s": round(session.recorded.money.quiet_s),
    }


def state_of(session: Session, *, with_drawings: bool) -> BoardState:
    """The state now. Drawings cost more than all the rest and only a page shows them."""
    now_ns = session.now_ns()
    run = session.recorded
    total, recent = run.live.total, run.live.recent(now_ns)
    p50_ms, p95_ms = _millis(recent.latencies_ns)
    faults = [
        LiveFault(held.fault.id, tuple(links_of(session.chain, held.fault)))
        for held in session.held.values()
    ]
    window = run.live.window(now_ns, chain_facts(session.loaded), faults)
    history = run.live.history(now_ns) if with_drawings else []
    return BoardState(
        run=run.number,
        phase=phase_of(session),
        rate=session.rate,
        wanted_rate=session.wanted_rate,
        waiting=session.waiting,
        window_s=WINDOW_S,
        payments=recent.payments,
        success=recent.succeeded / recent.payments if recent.payments else None,
        p50_ms=p50_ms,
        p95_ms=p95_ms,
        all_payments=total.payments,
        all_broke=total.payments - total.succeeded,
        on=_switched(session, now_ns),
        hops=_hops(session, window.hops),
        money=_money(session),
        notes=list(session.notes)[-MAX_LISTED:][::-1],
        saved=_saved(session),
        problems=run.problems[-MAX_PROBLEMS:],
        map=chain_map(window) if with_drawings else "",
        plots=[success_plot(history), latency_plot(history)] if with_drawings else [],
    )


def phase_of(session: Session) -> str:
    """What the load is doing, in a word."""
    if session.is_saving:
        return "saving"
    if not session.recorded.has_begun:
        return "ready"
    return "running" if session.rate else "stopped"


def _switched(session: Session, now_ns: int) -> list[ShownFault]:
    return [
        ShownFault(
            id=held.fault.id,
            target=held.target,
            name=held.name,
            kind=held.kind,
            values=held.declared[held.kind],
            on_s=round((now_ns - held.since_ns) / 1e9),
        )
        for held in session.held.values()
    ]


def _hops(session: Session, measures: Iterable[HopMeasure]) -> list[ShownHop]:
    """Hops by name over all operations and routes, the worst first."""
    hops: dict[str, ShownHop] = {}
    for (caller, _, callee, _, _), payments in session.recorded.live.broke.items():
        name = f"{caller} → {callee or '?'}"
        hop = hops.get(name, ShownHop(name))
        hops[name] = msgspec.structs.replace(hop, broke_in_total=hop.broke_in_total + payments)
    for measure in measures:
        name = f"{measure.caller} → {measure.callee}"
        hop = hops.get(name, ShownHop(name))
        hops[name] = msgspec.structs.replace(
            hop,
            calls=hop.calls + measure.sent,
            failed=hop.failed + measure.failed_sent,
            # Each route of an operation carries the number of the whole operation.
            broke=max(hop.broke, measure.broke),
        )
    worst_first = sorted(
        hops.values(), key=lambda hop: (-hop.broke, -hop.failed, -hop.broke_in_total)
    )
    return worst_first[:MAX_LISTED]


def _money(session: Session) -> ShownMoney:
    watch, currency = session.recorded.money, session.chain.currency
    ended = session.recorded.live.total.payments
    return ShownMoney(
        judged=max(0, ended - watch.open),
        open=watch.open,
        rules=len(RULES),
        wrong=written(watch.wrong_minor, currency),
        wrong_minor=watch.wrong_minor,
        broken=[
            ShownRule(
                title=rule.title,
                payments=rule.payments,
                amount=written(rule.amount_minor, currency),
                examples=rule.examples,
            )
            for rule in watch.broken()
        ],
    )


def _saved(session: Session) -> list[SavedRun]:
    return [
        SavedRun(
            file=str(saved.file),
            verdict=saved.result.verdict.value,
            command=saved.result.command,
            report=str(saved.folder.absolute() / "report.html"),  # Locust runs elsewhere
        )
        for saved in session.saved
    ]


def _place(place: SwitchTarget) -> dict[str, Any]:
    return {
        "target": place.target,
        "name": place.name,
        "about": place.about,
        "toggles": [
            {"kind": toggle.kind, "meaning": toggle.meaning, "values": toggle.values}
            for toggle in place.toggles
        ],
    }


def _millis(latencies: Histogram) -> list[float | None]:
    quantiles = latencies.quantiles(0.5, 0.95)
    return [nanos / 1e6 if nanos is not None else None for nanos in quantiles]
