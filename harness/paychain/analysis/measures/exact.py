"""Quantiles of latencies to the nanosecond, where a limit is too close for the histogram.

A histogram knows a quantile to within its bucket. A limit outside that bucket is on the same side
of every value in it; only a limit inside needs the values themselves, and only those of the bucket.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from paychain.analysis.measures.histogram import bucket_of
from paychain.analysis.measures.measures import MIN_PAYMENTS, Phase
from paychain.analysis.measures.phases import PHASE_PHRASES, Paid, Phases
from paychain.model.tolerance import Limit, Tolerances

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass
class _Close:
    """A quantile in the same bucket as its limit. `rank`: of its value in the bucket, from 1."""

    kind: str
    name: str
    bucket: int
    rank: int
    values_ns: list[int] = field(default_factory=list)


def exact_latencies_ms(
    phases: Phases, tolerances: Tolerances, payments: Iterable[Paid]
) -> dict[tuple[str, str], float]:
    """Exact quantiles in milliseconds by kind of phase and name, such as `("during", "p99")`.

    `phases` have counted all payments; these pass once more, if any limit is that close.
    """
    close = list(_close(phases, tolerances))
    if not close:
        return {}
    for payment in payments:
        latency_ns = payment.ended_ns - payment.intended_ns
        bucket = bucket_of(latency_ns)
        for quantile in close:
            if bucket == quantile.bucket and _is_in(payment, quantile.kind, phases):
                quantile.values_ns.append(latency_ns)
    return {
        (quantile.kind, quantile.name): sorted(quantile.values_ns)[quantile.rank - 1] / 1e6
        for quantile in close
    }


def with_exact_quantiles(
    phases: Sequence[Phase], exact_ms: Mapping[tuple[str, str], float]
) -> list[Phase]:
    """The phases, with the exact values where there are some."""
    return [
        msgspec.structs.replace(
            phase,
            **{
                f"{name}_ms": value
                for (kind, name), value in exact_ms.items()
                if kind == phase.kind
            },
        )
        for phase in phases
    ]


def _is_in(payment: Paid, kind: str, phases: Phases) -> bool:
    return not payment.warm_up if kind == "all" else kind in phases.kinds_of(payment)


def _close(phases: Phases, tolerances: Tolerances) -> Iterator[_Close]:
    for name, share in SHARES.items():
        declared = getattr(tolerances, f"latency_{name}")
        limits: dict[str, Limit | None] = {}
        if isinstance(declared, Limit):
            limits = {"all": declared}
        elif declared is not None:
            limits = {kind: getattr(declared, kind) for kind in PHASE_PHRASES}
        for kind, limit in limits.items():
            latencies_ns = phases.latencies_ns(kind)
            if limit is None or latencies_ns.total < MIN_PAYMENTS:
                continue
            bucket, rank = latencies_ns.place_of(share)
            if bucket == bucket_of(round(limit.bound * 1e9)):
                yield _Close(kind, name, bucket, rank)
