"""What the board shows: one value for its page and the terminal, made from the session."""

from __future__ import annotations

from typing import Any

import msgspec

from harness.analysis.histogram import Histogram
from harness.board.drawn import latency_plot, success_plot
from harness.board.live import WINDOW_S, On
from harness.board.session import Session
from harness.board.switches import Place
from harness.payments.money import written
from harness.payments.rules import RULES
from harness.report.chainmap import chain_map
from harness.verdict import chain_facts

LISTED = 12  # hops and notes


class Hop(msgspec.Struct, frozen=True):
    """One hop of the last seconds, and since the load began."""

    name: str
    calls: int
    failed: int
    broke: int
    broke_in_all: int


class State(msgspec.Struct, frozen=True):
    """Everything that changes while the board is looked at."""

    take: int
    phase: str  # ready, running, stopped, saving
    rate: float
    wanted_rate: int
    waiting: int
    window_s: int
    payments: int  # of the window
    success: float | None
    p50_ms: float | None
    p95_ms: float | None
    all_payments: int
    all_broke: int
    on: list[dict[str, Any]]
    hops: list[Hop]
    money: dict[str, Any]
    notes: list[tuple[float, str]]
    saved: list[dict[str, str]]
    problems: list[str]
    map: str = ""
    plots: list[str] = []


def page_of(session: Session, spec: str, rate: int) -> dict[str, Any]:
    """What the page needs once."""
    assert session.stage.engine is not None
    return {
        "chain": session.chain.chain, "title": session.chain.title or session.chain.chain,
        "spec": spec, "engine": f"{session.stage.engine.name} {session.stage.engine.version}",
        "seed": session.seed, "rate": rate, "places": [_place(one) for one in session.places],
        "window_s": WINDOW_S, "rules": len(RULES), "quiet_s": round(session.take.money.quiet_s),
    }  # fmt: skip


def state_of(session: Session, *, is_drawn: bool) -> State:
    """What goes on now; drawings only for somebody who can see them."""
    now_ns = session.now_ns()
    take = session.take
    live = take.live
    recent = live.recent(now_ns)
    p50, p95 = _millis(recent.latencies_ns)
    on = [On(one.fault.id, str(one.fault.target)) for one in session.held.values()]
    window = live.window(now_ns, chain_facts(session.loaded), on)
    course = live.course(now_ns) if is_drawn else []
    return State(
        take.number, phase_of(session), session.rate, session.wanted_rate, session.waiting,
        WINDOW_S, recent.payments,
        recent.succeeded / recent.payments if recent.payments else None, p50, p95,
        live.total.payments, live.total.payments - live.total.succeeded,
        [
            {
                "id": one.fault.id, "target": one.target, "name": one.name, "kind": one.kind,
                "values": one.declared[one.kind],
                "on_s": round((now_ns - one.since_ns) / 1e9),
            }
            for one in session.held.values()
        ],
        _hops(session, window.hops),
        _money(session),
        list(session.notes)[-LISTED:][::-1],
        [
            {
                "file": str(one.file), "verdict": one.result.verdict.value,
                "command": one.result.command, "report": str(one.folder / "report.html"),
            }
            for one in session.saved
        ],
        take.problems[-3:],
        chain_map(window) if is_drawn else "",
        [success_plot(course), latency_plot(course)] if is_drawn else [],
    )  # fmt: skip


def phase_of(session: Session) -> str:
    """Where the session is, in a word."""
    if session.is_saving:
        return "saving"
    if not session.take.has_begun:
        return "ready"
    return "running" if session.rate else "stopped"


def _hops(session: Session, measures: Any) -> list[Hop]:
    broke = session.take.live.broke
    found: dict[str, list[int]] = {}
    for (caller, _, callee, _, _), number in broke.items():
        found.setdefault(f"{caller} → {callee or '?'}", [0, 0, 0, 0])[3] += number
    for one in measures:
        mine = found.setdefault(f"{one.caller} → {one.callee}", [0, 0, 0, 0])
        mine[0] += one.sent
        mine[1] += one.failed_sent
        mine[2] = max(mine[2], one.broke)
    ordered = sorted(found.items(), key=lambda item: (-item[1][2], -item[1][1], -item[1][3]))
    return [Hop(name, *numbers) for name, numbers in ordered[:LISTED]]


def _money(session: Session) -> dict[str, Any]:
    watch, currency = session.take.money, session.chain.currency
    over = session.take.live.total.payments
    return {
        "judged": max(0, over - watch.open), "open": watch.open, "rules": len(RULES),
        "wrong": written(watch.wrong_minor, currency), "wrong_minor": watch.wrong_minor,
        "broken": [
            {"title": title, "payments": payments, "amount": written(amount, currency),
             "examples": words}
            for title, payments, amount, words in watch.broken()
        ],
    }  # fmt: skip


def _place(place: Place) -> dict[str, Any]:
    return {
        "target": place.target, "name": place.name, "about": place.about,
        "toggles": [
            {"kind": one.kind, "meaning": one.meaning, "values": one.values}
            for one in place.toggles
        ],
    }  # fmt: skip


def _millis(latencies: Histogram) -> list[float | None]:
    return [one / 1e6 if one is not None else None for one in latencies.quantiles(0.5, 0.95)]
