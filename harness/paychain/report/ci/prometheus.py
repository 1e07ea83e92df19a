"""Gauges in Prometheus' text format, for node_exporter's textfile collector or a Pushgateway.

Runs are told apart by their labels, never by the file: a collector merges all files of a directory.
Samples carry no timestamps, which such collectors refuse.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from paychain.payments.errors import UserError
from paychain.processes.files import write_atomically
from paychain.processes.prometheus import escaped
from paychain.report.ci.checks import checks
from paychain.report.result import Result

Sample = tuple[dict[str, str], float | None]
Family = tuple[str, str, Sequence[Sample]]  # a gauge's name and help, and its samples


def refuse_unwritable_file(path: Path) -> None:
    """Raises UserError when `path` cannot be written: before the run, not after it."""
    is_taken = path.exists() and not path.is_file()
    if is_taken or not os.access(path.parent, os.W_OK):
        what = "directory" if path.is_dir() else "device or a pipe"
        why = f"it is a {what}" if is_taken else f"{path.parent} is not writable"
        raise UserError(
            f"cannot write {path}: {why}", hint="name a file in a directory that exists"
        )


def write_prometheus(path: Path, *results: Result) -> None:
    """Write the gauges of these runs atomically, so that a collector never reads half of it.

    Raises UserError when it cannot be written.
    """
    try:
        write_atomically(path, prometheus_text(*results))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def prometheus_text(*results: Result) -> str:
    """The measures of runs that are worth following over time, each gauge once with all runs."""
    # By the labels of a run, so that a run that is given twice, as by a copied folder, counts once.
    runs = {tuple(_labels(result).items()): result for result in results}
    merged: dict[str, tuple[str, list[Sample]]] = {}
    for labels, result in runs.items():
        for name, text, samples in _families(result):
            _, known = merged.setdefault(name, (text, []))
            # A measure without a value has no sample: a gauge of 0 would be a measurement.
            known += [(dict(labels) | own, value) for own, value in samples if value is not None]
    return "".join(
        line for name, (text, samples) in merged.items() for line in _lines(name, text, samples)
    )


def _labels(result: Result) -> dict[str, str]:
    """What tells a run apart from every other one."""
    return {
        "chain": result.chain.name,
        "experiment": result.experiment.name,
        "seed": str(result.seed),
        "run": result.run_id,
    }


def _families(result: Result) -> list[Family]:
    whole = [phase for phase in result.phases if phase.kind == "all"]
    return [
        (
            "paychain_run_verdict",
            "1 for the verdict of the run, 0 for the others.",
            [
                ({"verdict": verdict}, float(verdict == result.verdict))
                for verdict in ("pass", "fail", "inconclusive")
            ],
        ),
        (
            "paychain_run_end_timestamp_seconds",
            "When the run ended.",
            [({}, datetime.fromisoformat(result.ended_at).timestamp())],
        ),
        (
            "paychain_check_passed",
            "1 if the tolerance or money rule held, 0 if not.",
            [
                ({"check": check.name}, float(check.passed))
                for check in checks(result)
                if check.passed is not None
            ],
        ),
        (
            "paychain_technical_success_ratio",
            "Share of offered payments that got a final answer within the deadline.",
            [({"phase": phase.name}, phase.technical_success) for phase in result.phases],
        ),
        (
            "paychain_payments",
            "Payments offered after warm-up.",
            [({}, float(phase.offered)) for phase in whole],
        ),
        ("paychain_payments_broken", "Payments that broke, by hop.", _broken(result)),
        (
            "paychain_money_wrong_minor_units",
            "Amount that the money rules do not allow.",
            [({"currency": result.chain.currency}, float(result.money.wrong))],
        ),
        (
            "paychain_recovery_seconds",
            "Time from the last heal until success was back to normal.",
            [({}, result.recovery.recovery_s)],
        ),
        (
            "paychain_hop_latency_seconds",
            "Latency of a hop by quantile.",
            _latencies(result),
        ),
    ]


def _latencies(result: Result) -> list[Sample]:
    samples: list[Sample] = []
    for hop in result.hops:
        labels = {
            "caller": hop.caller,
            "callee": hop.callee,
            "operation": hop.operation,
            "route": str(hop.route),
        }
        quantiles = (("0.5", hop.p50_ms), ("0.95", hop.p95_ms), ("0.99", hop.p99_ms))
        for quantile, millis in quantiles:
            seconds = millis / 1000 if millis is not None else None
            samples.append((labels | {"quantile": quantile}, seconds))
    return samples


def _broken(result: Result) -> list[Sample]:
    counted: dict[tuple[str, str], int] = {}
    for group in result.breaks:
        key = group.caller, group.callee
        counted[key] = counted.get(key, 0) + group.payments
    return [
        ({"caller": caller, "callee": callee}, float(number))
        for (caller, callee), number in counted.items()
    ]


def _lines(name: str, text: str, samples: Sequence[Sample]) -> Iterable[str]:
    if not samples:
        return
    yield f"# HELP {name} {text}\n# TYPE {name} gauge\n"
    for labels, value in samples:
        pairs = ",".join(f'{key}="{escaped(text)}"' for key, text in labels.items())
        yield f"{name}{{{pairs}}} {value:.15g}\n"
