"""The files that a run was made of, as copies in its folder `inputs`: all that it is judged by."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from paychain.analysis.store.facts import KeptFile, Started
from paychain.declaration.reading import read_bounded
from paychain.model.replay import MAX_BYTES
from paychain.payments.errors import UserError, one_line

FOLDER = "inputs"
CHAIN, EXPERIMENT, REPLAY = "chain", "experiment", "replay"
_UNFIT = re.compile(r"[\\/:]")


def names_to_keep(files: Mapping[str, str]) -> dict[str, str]:
    """The names in one folder of files that had these names in different ones, by what they are.

    Each keeps its own, unless two share one: then what it is comes before it. Only a replayed file
    always keeps its own, by which the experiment names it.
    """
    # A name is to be a line of SHA256SUMS, and small and capital letters may be one file.
    names = {what: fit(file) for what, file in files.items()}
    shared = Counter(name.casefold() for name in names.values())
    return {
        what: f"{what}-{name}" if shared[name.casefold()] > 1 and what != REPLAY else name
        for what, name in names.items()
    }


def fit(name: str) -> str:
    """A name that can be a line of SHA256SUMS, on any system."""
    return _UNFIT.sub("_", one_line(name))


def keep_file(inputs: Path, name: str, data: bytes) -> KeptFile:
    """Write a copy of a file that is run. Raises OSError."""
    (inputs / name).write_bytes(data)
    return KeptFile(name, hashlib.sha256(data).hexdigest())


def kept_files(run: Path, started: Started) -> dict[str, Path]:
    """The copies in a run directory, by what they are, after a look that they are what was run.

    Raises UserError for one that is missing or was changed.
    """
    hint = "a run is judged by the files that were run: put it back, or run it again"
    if not started.inputs:
        what = f"{run} does not record which files were run: an earlier version recorded it"
        raise UserError(what, hint="run it again")
    found = {}
    for what, kept in started.inputs.items():
        path = run / FOLDER / kept.name
        try:
            data = read_bounded(path, MAX_BYTES)
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}", hint=hint) from error
        if hashlib.sha256(data).hexdigest() != kept.sha256:
            raise UserError(f"{path} has changed since the run", hint=hint)
        found[what] = path
    return found
