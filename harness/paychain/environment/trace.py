"""One trace in virtual time.

`python -m paychain.environment.trace CHAIN EXPERIMENT SEED FILE [INTERLEAVING]`

The file gets every record as in a spool. Two such files of one seed are the same bytes, whatever
the process, the hash seed and the Python version.
"""

from __future__ import annotations

import sys
from pathlib import Path

from paychain.environment.play import interleaved, play
from paychain.model.loading import load_chain, load_experiment
from paychain.payments.journal import encode


def main(chain: str, experiment: str, seed: str, file: str, interleaving: str = "0") -> None:
    """Play and write."""
    loaded = load_chain(chain).model
    wanted = load_experiment(experiment, loaded).model
    played = play(loaded, wanted, int(seed), **interleaved(int(interleaving)))
    Path(file).write_bytes(encode(played.records))


if __name__ == "__main__":
    main(*sys.argv[1:])
