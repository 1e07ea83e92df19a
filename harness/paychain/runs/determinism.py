"""Whether one seed has one history: a virtual run is repeated in another process."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path

import msgspec

from paychain.payments.errors import UserError
from paychain.payments.journal import Record
from paychain.payments.journal_frames import decode, encode
from paychain.processes.children import python_module
from paychain.processes.variables import without_secrets
from paychain.runs.follower import RunFollower
from paychain.runs.kept import FOLDER
from paychain.runs.spec import RunSpec

OTHER_HASH_SEED = "777"  # of the second process: sets and hashes fall differently there
WITHIN_S = 600.0


class DeterminismCheck(RunFollower):
    """Keeps every record of a run in its order, repeats the run, and compares them."""

    def __init__(self, spec: RunSpec, on_message: Callable[[str], None]) -> None:
        self._spec, self._on_message = spec, on_message
        self._records: list[Record] = []
        self._inputs = Path()  # copies of the files that are run

    def begin(self, folder: Path) -> None:
        """The run keeps its files there."""
        self._inputs = folder / FOLDER

    def add(self, records: Iterable[Record]) -> None:
        """Keep them."""
        self._records.extend(records)

    def check(self) -> list[str]:
        """Repeat the run: in what the second one differs, in words."""
        spec, names = self._spec, self._spec.inputs.kept_names
        try:
            again = _replay(
                self._inputs / names["chain"],
                self._inputs / names["experiment"],
                spec.seed,
                spec.interleaving,
                spec.chain.path.parent.absolute(),
            )
        except UserError as error:
            return [str(error)]
        difference = _first_difference(self._records, again)
        if difference is not None:
            return [f"two runs of one seed differ: {difference}"]
        self._on_message(
            f"determinism: 2 runs, {len(again):,} records each, the same bytes "
            f"(sha256 {_digest(again)[:16]})"
        )
        return []


def _digest(records: Sequence[Record]) -> str:
    """SHA-256 of the trace."""
    return sha256(encode(records)).hexdigest()


def _replay(
    chain: Path, experiment: Path, seed: int, interleaving: int = 0, home: Path | None = None
) -> list[Record]:
    """The records of the same run in another process. Raises UserError when it fails.

    `home`: the folder of the chain's file, of which `chain` may be a copy.
    """
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        try:
            done = subprocess.run(  # noqa: S603  (our own module, no shell)
                python_module(
                    "paychain.environment.trace",
                    *map(str, (chain, experiment, seed, trace, interleaving, home or chain.parent)),
                ),
                env={**without_secrets(os.environ), "PYTHONHASHSEED": OTHER_HASH_SEED},
                timeout=WITHIN_S,
                check=False,
                capture_output=True,
                text=True,
            )
        except subprocess.TimeoutExpired as error:
            what = "the second run of the determinism check took longer than"
            raise UserError(f"{what} {WITHIN_S:g} s") from error
        if done.returncode != 0:
            last = done.stderr.strip().rpartition("\n")[2]
            raise UserError(f"the second run of the determinism check failed: {last}")
        return decode(trace.read_bytes())[0]


def _first_difference(first: Sequence[Record], second: Sequence[Record]) -> str | None:
    """The first record in which two traces differ, in words; None when they are the same."""
    for number, (record, other) in enumerate(zip_longest(first, second), start=1):
        if record != other:
            return f"record {number} differs: {_describe(record, other)}"
    return None


def _describe(record: Record | None, other: Record | None) -> str:
    """The whole records; of two of a kind, the first and what the other has instead."""
    if record is None or other is None or type(record) is not type(other):
        return f"{_shown(record)} and then {_shown(other)}"
    instead = {
        name: value
        for name, value in msgspec.structs.asdict(other).items()
        if value != getattr(record, name)
    }
    return f"{_shown(record)} and then {', '.join(f'{name}={instead[name]!r}' for name in instead)}"


def _shown(record: Record | None) -> str:
    return "nothing" if record is None else repr(record)
