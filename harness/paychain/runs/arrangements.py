"""Runs of one experiment on chains that differ in nothing but their nodes, to be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from paychain.analysis.nodes.arrangement import Arrangement, arrangement
from paychain.analysis.nodes.side_by_side import SideBySide, side_by_side
from paychain.analysis.store.store import RunStore
from paychain.model.chain import Chain
from paychain.model.loading import Loaded
from paychain.payments.errors import UserError
from paychain.report.outputs import STORE_NAME
from paychain.report.result import Result, read
from paychain.runs.judge import inputs_of

# What may differ: the nodes, how the chain is called, and what its owner lives with.
_OWN = frozenset({"nodes", "chain", "title", "accepts"})


def compare_arrangements(folders: Sequence[Path]) -> SideBySide:
    """The runs in these directories side by side.

    Raises UserError if they differ in more than their nodes, or use none.
    """
    results = [read(folder) for folder in folders]
    first = results[0]
    for result in results[1:]:
        _refuse_unlike(first, result)
    read_ = [_read(folder, result) for folder, result in zip(folders, results, strict=True)]
    chains = [chain for chain, _ in read_]
    return side_by_side([found for _, found in read_], list(_notes(results, chains)))


def _read(folder: Path, result: Result) -> tuple[Loaded[Chain], Arrangement]:
    path = folder / STORE_NAME
    if not path.is_file():
        raise UserError(f"no {STORE_NAME} in {folder}", hint="name a run directory")
    with closing(RunStore.open(path)) as store:
        store.check(folder)
        if store.kept_one_in > 1:
            what = f"{path} holds a sample of a long run, and lacks most of its calls"
            raise UserError(what, hint="compare shorter runs")
        inputs = inputs_of(folder, store.started())
        chain, experiment = inputs.chain, inputs.experiment
        if chain.model.nodes is None:
            what = f"{result.run_id} ran {chain.model.chain}, which has no nodes:"
            raise UserError(what, hint="without --nodes, paychain compare compares any chains")
        times = store.facts().times
        return chain, arrangement(result.run_id, chain.model, experiment.model, times, store)


def _refuse_unlike(one: Result, other: Result) -> None:
    if one.experiment.sha256 != other.experiment.sha256:
        raise UserError(
            f"{other.run_id} had a different experiment file ({other.experiment.name})",
            hint="compare runs of one experiment file",
        )
    if one.virtual != other.virtual:
        raise UserError("one run was real and the other virtual", hint="compare runs of one kind")
    if one.chain.currency != other.chain.currency:
        currencies = f"{one.chain.currency} and {other.chain.currency}"
        what = f"the runs used different currencies: {currencies}"
        raise UserError(what, hint="compare runs of one currency")


def _notes(results: Sequence[Result], chains: Sequence[Loaded[Chain]]) -> Iterator[str]:
    """What else differs, so that a difference need not come from the nodes."""
    seeds = sorted({result.seed for result in results})
    if len(seeds) > 1:
        yield f"the seeds differ ({', '.join(map(str, seeds))}): the payments are not the same"
    first = chains[0].document.value
    for chain in chains[1:]:
        value = chain.document.value
        differs = sorted(
            key for key in (first.keys() | value.keys()) - _OWN if first.get(key) != value.get(key)
        )
        if differs:
            name = chain.model.chain
            yield f"{name} differs from {chains[0].model.chain} in {', '.join(differs)} as well"
    for result in results:
        if result.verdict == "inconclusive":
            yield f"{result.run_id} is inconclusive: {'; '.join(result.reasons)}"
