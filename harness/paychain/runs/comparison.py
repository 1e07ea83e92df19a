"""A run beside its baselines: only runs that are alike are compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from paychain.analysis.compare import ComparedRun, compare
from paychain.analysis.comparison import Comparison
from paychain.analysis.measures.measures import Verdict
from paychain.analysis.store.store import RunStore
from paychain.payments.errors import UserError
from paychain.report.outputs import STORE_NAME
from paychain.report.result import Result, read

MANY_BASELINES = 5  # from so many on, the variation of whole runs is known well enough
CHAINS_DIFFER = "the chain files differ"


def compare_runs(
    baselines: Sequence[Path], candidate: Path, *, across_chains: bool = False
) -> Comparison:
    """Compare a run directory with one or several baselines.

    `across_chains`: the chain's file may differ, when its policies are what is compared. Raises
    UserError when the runs are not alike.
    """
    known = [read(baseline) for baseline in baselines]
    result = read(candidate)
    notes = list(_notes(known, result))
    for baseline in known:
        _refuse_unlike(baseline, result)
        if not across_chains:
            _refuse_other_chain(baseline, result.chain.sha256)
    _refuse_inconclusive(result)
    _refuse_repeats([*baselines, candidate])
    with ExitStack() as stack:
        sides = [
            _side(read_, stack.enter_context(closing(_open(folder))))
            for read_, folder in zip([*known, result], [*baselines, candidate], strict=True)
        ]
        # A virtual run repeats itself with the same seed; a real one does not.
        is_repeated = result.virtual and all(known_.seed == result.seed for known_ in known)
        return compare(sides[:-1], sides[-1], notes, by_chance=not is_repeated)


def check_baseline(baseline: Path, *, experiment: str, virtual: bool) -> None:
    """Raises UserError when a run of this experiment (by digest) could not be compared with it.

    The chain may differ: a changed chain is what a baseline is for. Its records have to be readable
    before the run: afterwards its verdict would have to do without.
    """
    with closing(_open(baseline)) as store:
        store.check(baseline)
    _refuse_other_experiment(read(baseline), experiment=experiment, virtual=virtual)


def _side(result: Result, store: RunStore) -> ComparedRun:
    return ComparedRun(
        run=result.run_id,
        store=store,
        phases=result.phases,
        money=result.money,
        verdict=result.verdict,
        tolerances=result.tolerances,
        currency=result.chain.currency,
    )


def _refuse_unlike(baseline: Result, candidate: Result) -> None:
    if (baseline.load.users > 0) != (candidate.load.users > 0):
        raise UserError(
            "one run had an open load and the other a closed one: their figures are not comparable",
            hint="compare runs of one load model",
        )
    if baseline.chain.currency != candidate.chain.currency:
        raise UserError(
            f"the runs used different currencies: {baseline.chain.currency} and "
            f"{candidate.chain.currency}",
            hint="compare runs of one currency",
        )
    _refuse_other_experiment(
        baseline, experiment=candidate.experiment.sha256, virtual=candidate.virtual
    )


def _refuse_other_experiment(baseline: Result, *, experiment: str, virtual: bool) -> None:
    if baseline.experiment.sha256 != experiment:
        raise UserError(
            f"{baseline.run_id} had a different experiment file ({baseline.experiment.name})",
            hint="compare runs of one experiment file",
        )
    if baseline.virtual != virtual:
        raise UserError("one run was real and the other virtual", hint="compare runs of one kind")
    _refuse_inconclusive(baseline)


def _refuse_other_chain(baseline: Result, chain: str) -> None:
    if baseline.chain.sha256 != chain:
        raise UserError(
            f"{baseline.run_id} had a different chain file ({baseline.chain.name})",
            hint="to compare different chains, add --across-chains; those that differ in nodes: "
            "alone, --nodes",
        )


def _refuse_inconclusive(result: Result) -> None:
    if result.verdict is Verdict.INCONCLUSIVE:
        reasons = "; ".join(result.reasons)
        raise UserError(f"{result.run_id} is inconclusive: {reasons}", hint="choose another run")


def _refuse_repeats(folders: Sequence[Path]) -> None:
    """A run twice among the baselines would make runs look as if they never varied."""
    seen: set[Path] = set()
    for folder in folders[:-1]:
        if folder.resolve() in seen:
            raise UserError(f"{folder} is given twice", hint="name different runs")
        seen.add(folder.resolve())


def _notes(baselines: Sequence[Result], candidate: Result) -> Iterator[str]:
    changed = [known for known in baselines if known.chain.sha256 != candidate.chain.sha256]
    if changed:
        yield _chains(changed[0], candidate)
    engines = {(result.engine.name, result.engine.version) for result in (*baselines, candidate)}
    if len(engines) > 1:
        listed = ", ".join(f"{name} {version}".strip() for name, version in sorted(engines))
        yield f"the fault engines differ: {listed}"
    if candidate.virtual and any(known.seed == candidate.seed for known in baselines):
        yield ("virtual runs with the same seed differ only by what was changed, not by chance")
    # The machine has no part in a virtual run.
    if candidate.virtual:
        return
    if len(baselines) == 1:
        yield (
            "run-to-run variation is not known with one baseline: a difference may come from the "
            "machine or its load; compare with several: paychain compare A1 A2 A3 B"
        )
    elif len(baselines) < MANY_BASELINES:
        yield (
            f"run-to-run variation is estimated from {len(baselines)} baselines, which hides small "
            f"differences; {MANY_BASELINES} or more find them"
        )


def _chains(baseline: Result, candidate: Result) -> str:
    """What differs between two chains, as far as their maps show it."""
    if baseline.chain.name != candidate.chain.name:
        text = f"{CHAINS_DIFFER}: {baseline.chain.name}, {candidate.chain.name}"
    else:
        text = f"{CHAINS_DIFFER}: {candidate.chain.name} was changed between the runs"
    before = {link.name for link in baseline.chain.links}
    after = {link.name for link in candidate.chain.links}
    parts = []
    if removed := sorted(before - after):
        parts.append(f"without {', '.join(removed)}")
    if added := sorted(after - before):
        parts.append(f"with the new {', '.join(added)}")
    return f"{text} ({'; '.join(parts)})" if parts else text


def _open(folder: Path) -> RunStore:
    path = folder / STORE_NAME
    if not path.is_file():
        raise UserError(f"no {STORE_NAME} in {folder}", hint="name a run directory")
    return RunStore.open(path)
