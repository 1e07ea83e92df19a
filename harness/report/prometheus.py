"""Gauges in Prometheus' text format, for node_exporter's textfile collector or a Pushgateway."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from harness.payments.errors import UserError
from harness.report.checks import checks
from harness.report.result import Result

Sample = tuple[dict[str, str], float | None]


def refuse_unwritable(path: Path) -> None:
    """Tell before a run what would be told after it. Raises UserError."""
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        why = "it is a folder" if path.is_dir() else f"no writable folder {path.parent}"
        raise UserError(f"cannot write {path}: {why}", mend="name a file in a folder that exists")


def write_prometheus(result: Result, path: Path) -> None:
    """Write the file whole or not at all, so that a collector never reads half of it.

    Raises UserError when it cannot be written.
    """
    scratch = path.with_name(path.name + ".tmp")
    try:
        scratch.write_text(prometheus_text(result), "utf-8")
        scratch.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def prometheus_text(result: Result) -> str:
    """Every measure of a run that is worth following over time."""
    run = {"chain": result.chain.name, "experiment": result.experiment.name}
    whole = [one for one in result.phases if one.kind == "all"]
    families: list[tuple[str, str, Sequence[Sample]]] = [
        ("paychain_run_verdict", "1 for the verdict that the run has.",
         [({"verdict": one}, float(one == result.verdict))
          for one in ("pass", "fail", "inconclusive")]),
        ("paychain_run_end_timestamp_seconds", "When the run ended.",
         [({}, datetime.fromisoformat(result.ended_at).timestamp())]),
        ("paychain_check_passed", "1 when a tolerance or money rule was kept, 0 when not.",
         [({"check": one.name}, float(one.passed)) for one in checks(result)
          if one.passed is not None]),
        ("paychain_technical_success_ratio", "Payments answered finally, of those offered.",
         [({"phase": one.name}, one.technical_success) for one in result.phases]),
        ("paychain_payments", "Payments offered after warm-up.",
         [({}, float(one.offered)) for one in whole]),
        ("paychain_payments_broken", "Payments that broke, by hop.", _broken(result)),
        ("paychain_money_wrong_minor_units", "Amount held or taken that no rule allows.",
         [({"currency": result.chain.currency}, float(result.money.wrong))]),
        ("paychain_recovery_seconds", "From the last heal until success was back to normal.",
         [({}, result.recovery.recovery_s)]),
        ("paychain_hop_latency_seconds", "Latency of a hop.",
         [({"caller": hop.caller, "callee": hop.callee, "operation": hop.operation,
            "route": str(hop.route), "quantile": quantile},
           value / 1000 if value is not None else None)
          for hop in result.hops
          for quantile, value in (("0.5", hop.p50_ms), ("0.95", hop.p95_ms), ("0.99", hop.p99_ms))
          ]),
    ]  # fmt: skip
    return "".join(line for family in families for line in _family(*family, run))


def _broken(result: Result) -> list[Sample]:
    counted: dict[tuple[str, str], int] = {}
    for one in result.breaks:
        key = one.caller, one.callee
        counted[key] = counted.get(key, 0) + one.payments
    return [({"caller": caller, "callee": callee}, float(number))
            for (caller, callee), number in counted.items()]  # fmt: skip


def _family(name: str, words: str, samples: Sequence[Sample], run: dict[str, str]) -> Iterable[str]:
    known = [(labels, value) for labels, value in samples if value is not None]
    if not known:
        return
    yield f"# HELP {name} {words}\n# TYPE {name} gauge\n"
    for labels, value in known:
        said = ",".join(f'{key}="{_escaped(one)}"' for key, one in (run | labels).items())
        yield f"{name}{{{said}}} {value:.15g}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
