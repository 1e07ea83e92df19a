"""One trace in virtual time.

`python -m paychain.environment.trace CHAIN EXPERIMENT SEED FILE [INTERLEAVING [HOME]]`

The file gets every record as in a spool. Two such files of one seed are the same bytes, whatever
the process, the hash seed and the Python version.
"""

from __future__ import annotations

import sys
from pathlib import Path

from paychain.environment.simulated_run import interleaved, simulate_run
from paychain.model.loading import load_chain, load_experiment
from paychain.payments.journal_frames import encode


def main(
    chain: str, experiment: str, seed: str, file: str, interleaving: str = "0", home: str = ""
) -> None:
    """Run an experiment in virtual time and write its records to a file.

    `home`: the folder of the chain's own file, if `chain` is a copy.
    """
    loaded = load_chain(chain).model
    declared = load_experiment(experiment, loaded).model
    folder = Path(home or Path(chain).parent)
    simulated = simulate_run(
        loaded, declared, int(seed), home=folder, **interleaved(int(interleaving))
    )
    Path(file).write_bytes(encode(simulated.records))


if __name__ == "__main__":
    main(*sys.argv[1:])
