"""Runs over nodes side by side, for the terminal: a row for each number, a column for each run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from paychain.analysis.nodes.arrangement import Arrangement
from paychain.analysis.nodes.found import CallsDuringOutage
from paychain.analysis.nodes.side_by_side import SideBySide
from paychain.declaration.quantity import count
from paychain.payments.money import written

_Cell = Callable[[Arrangement], str]


def arrangement_lines(found: SideBySide) -> list[str]:
    """What a reader has to know first, the numbers, what breaks each, and the formula beside it."""
    runs = found.runs
    lines = [found.first, ""]
    lines += _table(
        runs,
        [
            ("nodes", _nodes),
            ("payouts that ended in time", lambda run: _percent(run.success)),
            ("payouts final in time", lambda run: _percent(run.final_in_time)),
            ("reported, not on the ledger", _at_risk),
            ("requests per payout", lambda run: f"{run.requests:.1f}"),
            ("time to the answer, p50", lambda run: _ms(run.p50_ms)),
            ("time to the answer, p99", lambda run: _ms(run.p99_ms)),
        ],
    )
    lines += ["", "what breaks each:"]
    lines += [f"  {run.chain}: {'; '.join(_breaking(run))}" for run in runs]
    if found.shared:
        lines += ["", f"all of them need: {', '.join(found.shared)}"]
    lines += [
        "",
        "calls that found enough nodes, by formula and in the run (95 %, all rows of a run):",
    ]
    for run in runs:
        lines += [f"  {run.chain}: {_row(row)}" for row in run.found if not row.is_plain]
        plain = sum(row.is_plain for row in run.found)
        if plain:
            every = "every call did or none did, as the formula says"
            lines.append(f"  {run.chain}: ✓ {count(plain, 'row')} in which {every}")
        if not run.found:
            lines.append(f"  {run.chain}: no period with whole zones down was long enough")
    assumed = list(dict.fromkeys(words for run in runs for words in run.assumed))
    if assumed:
        lines += ["", f"assumed, not measured: {'; '.join(assumed)}"]
    lines += [f"note: {note}" for note in found.notes]
    return lines


def _table(runs: Sequence[Arrangement], rows: Sequence[tuple[str, _Cell]]) -> Iterator[str]:
    cells = [["", *(run.chain for run in runs)]]
    cells += [[title, *(cell(run) for run in runs)] for title, cell in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(runs) + 1)]
    for row in cells:
        numbers = (text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join((row[0].ljust(widths[0]), *numbers))


def _nodes(run: Arrangement) -> str:
    if run.operators == 1:
        return "1"
    return f"{run.operators}, {run.agree} of {run.ask}" + f"+{run.re_pick}" * bool(run.re_pick)


def _at_risk(run: Arrangement) -> str:
    if not run.at_risk_payments:
        return "none"
    return f"{written(run.at_risk, run.currency)} ({count(run.at_risk_payments, 'payout')})"


def _breaking(run: Arrangement) -> Iterator[str]:
    """The smallest sets first; then how many operators, wherever they are."""
    for zones in run.breaking:
        if len(zones) == 1:
            yield f"fails when {zones[0]} is down"
        else:
            yield f"needs {' and '.join(zones)} down"
    if run.operators > 1:
        yield f"needs {run.breaking_operators} of {run.operators} operators off"


def _row(row: CallsDuringOutage) -> str:
    gone = f"without {' and '.join(row.gone)}" if row.gone else "with all zones"
    mark = "✓" if row.agrees else "✕"
    of = f"{row.needed} of {row.asked}"
    return (
        f"{mark} {row.operation} {gone}, {of}: {_percent(row.expected)} by formula, "
        f"{_percent(row.observed)} of {count(row.calls, 'call')} "
        f"({_percent(row.low)} to {_percent(row.high)})"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _ms(value: float | None) -> str:
    return "none" if value is None else f"{value:,.0f} ms"
