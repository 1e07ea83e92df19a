"""A run as one call: `from paychain import run`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from paychain.model.loading import NO_NAMES, load_chain, load_experiment
from paychain.model.renaming import Names
from paychain.runs.chains import chain_of
from paychain.runs.follower import RunFollower
from paychain.runs.run import run as run_spec
from paychain.runs.spec import Finished, RunSpec, run_command


def run(
    chain: str,
    experiment: str,
    *,
    out: Path | str = "reports",
    seed: int = 1,
    virtual: bool = False,
    toxiproxy: str | None = None,
    followers: Iterable[RunFollower] = (),
    names: Names = NO_NAMES,
) -> Finished:
    """Run an experiment on a chain, both by name or path, and judge it.

    `followers` are told what happens. `names`: what the chain calls the providers and links that
    the experiment names.

    Returns the run's folder and its result; its verdict is `result.verdict`. Raises FileMistakes
    with every mistake of a file, or UserError.
    """
    loaded = load_chain(chain)
    spec = RunSpec(
        chain=loaded,
        experiment=load_experiment(experiment, loaded.model, names),
        out=Path(out),
        seed=seed,
        command=run_command(
            chain, experiment, seed=seed, toxiproxy=toxiproxy, virtual=virtual, names=names
        ),
        names=names,
        toxiproxy=toxiproxy,
        virtual=virtual,
    )
    return run_spec(spec, chain_of(spec), followers)
