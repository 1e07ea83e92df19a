"""The fallbacks of a run, those of many links that do the same in one row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from paychain.analysis.measures.measures import FallbackMeasure
from paychain.report.result import DeclaredFallback, Result
from paychain.report.text.alike_links import alike_links

_Row = tuple[str, str, str]  # the call, the kind, where to


def used_fallbacks(result: Result) -> list[FallbackMeasure]:
    """Each fallback that was used, in the result's order; `node-1 to -7.read` for seven links.

    Of several in one row, counts and amounts are sums, and times are the longest of any of them: a
    payment that used two of them counts twice.
    """
    names = _names(result)
    rows: dict[_Row, list[FallbackMeasure]] = {}
    for fallback in result.fallbacks:
        if fallback.activations:
            rows.setdefault(_row(fallback, names), []).append(fallback)
    return [row[0] if len(row) == 1 else _together(key, row) for key, row in rows.items()]


def unused_fallbacks(result: Result) -> list[DeclaredFallback]:
    """The fallbacks that are declared and were not used, in the same rows."""
    names = _names(result)
    used = {_row(fallback, names) for fallback in result.fallbacks if fallback.activations}
    rows = dict.fromkeys(_row(fallback, names) for fallback in result.chain.fallbacks)
    return [DeclaredFallback(*row) for row in rows if row not in used]


def _names(result: Result) -> Mapping[str, str]:
    """What stands for each link that is like many others."""
    groups = alike_links(result.chain)
    return {link: group for group, links in groups.items() for link in links}


def _row(fallback: FallbackMeasure | DeclaredFallback, names: Mapping[str, str]) -> _Row:
    caller, _, operation = fallback.call.rpartition(".")
    call = f"{names.get(caller, caller)}.{operation}"
    return call, fallback.kind, names.get(fallback.to, fallback.to)


def _together(key: _Row, row: Sequence[FallbackMeasure]) -> FallbackMeasure:
    call, _, to = key
    payments = sum(each.payments for each in row)
    succeeded = sum(each.succeeded for each in row)
    return msgspec.structs.replace(
        row[0],
        call=call,
        to=to,
        activations=sum(each.activations for each in row),
        succeeded=succeeded,
        payments=payments,
        success=succeeded / payments if payments else None,
        amount_saved=sum(each.amount_saved for each in row),
        amount_lost=sum(each.amount_lost for each in row),
        added_p50_ms=_longest(each.added_p50_ms for each in row),
        added_p95_ms=_longest(each.added_p95_ms for each in row),
        detection_s=_longest(each.detection_s for each in row),
        failover_s=_longest(each.failover_s for each in row),
        failback_s=_longest(each.failback_s for each in row),
        responses=[],
    )


def _longest(times: Iterable[float | None]) -> float | None:
    return max((time for time in times if time is not None), default=None)
