"""Whole runs in virtual time from the text of a chain and an experiment."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from paychain.analysis.measures.measures import Phase
from paychain.model.loading import load_chain, load_experiment
from paychain.report.result import Result
from paychain.runs.chains import chain_of
from paychain.runs.run import run
from paychain.runs.spec import RunSpec
from tests.support.runs import declare


def run_virtually(folder: Path, chain: str, experiment: str, *, seed: int = 1) -> Result:
    """The result of one run; its files are in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    declare(folder, a_chain=chain, an_experiment=experiment)
    loaded = load_chain(str(folder / "a_chain.yaml"))
    declared = load_experiment(str(folder / "an_experiment.yaml"), loaded.model)
    spec = RunSpec(chain=loaded, experiment=declared, out=folder / "runs", seed=seed, virtual=True)
    return run(spec, chain_of(spec)).result


def phase(result: Result, name: str) -> Phase:
    """One phase of a result."""
    return next(found for found in result.phases if found.name == name)


def broken(result: Result) -> dict[str, int]:
    """How many payments broke each money rule, without those that none broke."""
    return {rule.rule: rule.findings for rule in result.money.rules if rule.findings}


def judged(result: Result) -> Mapping[str, int]:
    """The broken rules of a run whose every payment was judged."""
    assert result.verdict != "inconclusive", result.reasons
    assert result.money.undecided == 0
    return broken(result)


def selected(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query over what the only run in a folder recorded."""
    (found,) = folder.rglob("run.db")
    with closing(sqlite3.connect(found)) as db:
        return list(db.execute(sql))


def amplification(result: Result, operation: str = "authorise", caller: str = "gateway") -> float:
    """Requests sent for each payment that needed a call, over all of its targets, after warm-up."""
    (found,) = {
        hop.amplification
        for hop in result.hops
        if (hop.caller, hop.operation) == (caller, operation)
    }
    assert found is not None, "too few payments"
    return found
