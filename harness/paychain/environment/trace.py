"""One trace in virtual time.

`python -m paychain.environment.trace CHAIN EXPERIMENT SEED FILE [INTERLEAVING [HOME]]`

The file gets every record as in a spool. Two such files of one seed are the same bytes, whatever
the process, the hash seed and the Python version.
"""

from __future__ import annotations

import sys
from pathlib import Path

from paychain.environment.play import interleaved, play
from paychain.model.loading import load_chain, load_experiment
from paychain.payments.journal import encode


def main(
    chain: str, experiment: str, seed: str, file: str, interleaving: str = "0", home: str = ""
) -> None:
    """Play and write. `home`: the folder of the chain's own file, where that is a copy."""
    loaded = load_chain(chain).model
    wanted = load_experiment(experiment, loaded).model
    folder = Path(home or Path(chain).parent)
    played = play(loaded, wanted, int(seed), home=folder, **interleaved(int(interleaving)))
    Path(file).write_bytes(encode(played.records))


if __name__ == "__main__":
    main(*sys.argv[1:])
