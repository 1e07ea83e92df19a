"""One trace in virtual time.

`python -m harness.simulation CHAIN EXPERIMENT SEED FILE [INTERLEAVING]`

The file gets every record as in a spool. Two such files of one seed are the same bytes, whatever
the process, the hash seed and the Python version.
"""

from __future__ import annotations

import sys
from pathlib import Path

from harness.model.loading import load_chain, load_experiment
from harness.payments.journal import encode
from harness.simulation.world import interleaved, play


def main(chain: str, experiment: str, seed: str, file: str, interleaving: str = "0") -> None:
    """Play and write."""
    loaded = load_chain(chain).model
    order = interleaved(int(interleaving))
    played = play(loaded, load_experiment(experiment, loaded).model, int(seed), **order)
    Path(file).write_bytes(encode(played.records))


if __name__ == "__main__":
    main(*sys.argv[1:])
