"""A run as one call: `from harness import run`."""

from __future__ import annotations

from pathlib import Path

from harness import conductor
from harness import virtual as in_virtual_time
from harness.model.loading import load_chain, load_experiment
from harness.order import Finished, Order
from harness.progress import Progress, Silent


def run(
    chain: str, experiment: str, *, out: Path | str = "reports", seed: int = 1,
    virtual: bool = False, toxiproxy: str | None = None, progress: Progress | None = None,
) -> Finished:  # fmt: skip
    """Run an experiment on a chain, both by name or path, and judge it.

    Returns the run's folder and its result; its verdict is `result.verdict`. Raises FileMistakes
    with every mistake of a file, or UserError.
    """
    loaded = load_chain(chain)
    words = f"paychain run {chain} {experiment} --seed {seed}" + " --virtual" * virtual
    order = Order(
        loaded, load_experiment(experiment, loaded.model), Path(out), seed, toxiproxy, words
    )
    shown = progress if progress is not None else Silent()
    return in_virtual_time.run(order, shown) if virtual else conductor.run(order, shown)
