"""A run beside its baseline: only runs that are alike are compared."""

from __future__ import annotations

from pathlib import Path

from harness.analysis.compare import Comparison, Side, compare
from harness.analysis.measured import Verdict
from harness.analysis.store import RunStore
from harness.payments.errors import UserError
from harness.report.outputs import STORE_NAME
from harness.report.result import Result, read


def compare_runs(baseline: Path, candidate: Path, *, across_chains: bool = False) -> Comparison:
    """Compare two run directories. Raises UserError when they are not alike.

    `across_chains`: the chain's file may differ, when its policies are what is compared.
    """
    a, b = read(baseline), read(candidate)
    notes = _alike(a, b, across_chains=across_chains)
    stores = _open(baseline), _open(candidate)
    try:
        return compare(
            Side(a.run_id, stores[0], a.phases, a.money),
            Side(b.run_id, stores[1], b.phases, b.money), notes,
        )  # fmt: skip
    finally:
        for store in stores:
            store.close()


def check_baseline(baseline: Path, *, chain: str, experiment: str, virtual: bool) -> None:
    """Raises UserError when a run of these files (by digest) could not be compared with it."""
    _check(read(baseline), chain=chain, experiment=experiment, virtual=virtual)


def _check(baseline: Result, *, chain: str, experiment: str, virtual: bool) -> None:
    if baseline.experiment.sha256 != experiment:
        raise UserError(
            f"{baseline.run_id} had a different experiment file ({baseline.experiment.name})",
            mend="compare runs of one experiment file",
        )
    if baseline.chain.sha256 != chain:
        raise UserError(
            f"{baseline.run_id} had a different chain file ({baseline.chain.name})",
            mend="when the chain's policies are what you compare: paychain compare --across-chains",
        )
    if baseline.virtual != virtual:
        raise UserError("one run was real and one virtual", mend="compare runs of one kind")
    if baseline.verdict is Verdict.INCONCLUSIVE:
        reasons = "; ".join(baseline.reasons)
        raise UserError(f"{baseline.run_id} is inconclusive: {reasons}", mend="choose another run")


def _alike(a: Result, b: Result, *, across_chains: bool) -> list[str]:
    """What differs and may; raises UserError for what may not."""
    notes = []
    if (a.load.users > 0) != (b.load.users > 0):
        raise UserError(
            "one run had an open load and one a closed: their figures mean different things",
            mend="compare runs of one load model",
        )
    chain = b.chain.sha256
    if across_chains and a.chain.name == b.chain.name and a.chain.sha256 != chain:
        notes.append("the chain file was changed between the runs")
        chain = a.chain.sha256
    _check(a, chain=chain, experiment=b.experiment.sha256, virtual=b.virtual)
    if b.verdict is Verdict.INCONCLUSIVE:
        reasons = "; ".join(b.reasons)
        raise UserError(f"{b.run_id} is inconclusive: {reasons}", mend="choose another run")
    if a.engine != b.engine:
        notes.append(
            f"the fault engines differ: {a.engine.name} {a.engine.version}, "
            f"{b.engine.name} {b.engine.version}"
        )
    if a.seed == b.seed and a.virtual:
        notes.append("both runs had one seed: what differs is the program's doing, not chance")
    return notes


def _open(folder: Path) -> RunStore:
    path = folder / STORE_NAME
    if not path.is_file():
        raise UserError(f"no {STORE_NAME} in {folder}", mend="name a run directory")
    return RunStore.open(path)
