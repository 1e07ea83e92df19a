"""Whether one seed has one history: play it again elsewhere and look for the first difference."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path

import msgspec

from harness.payments.errors import UserError
from harness.payments.journal import Record, decode, encode

OTHER_HASH_SEED = "777"  # of the second process: sets and hashes fall differently there
WITHIN_S = 600.0


def digest(records: Sequence[Record]) -> str:
    """SHA-256 of the trace."""
    return sha256(encode(records)).hexdigest()


def replay(chain: Path, experiment: Path, seed: int, interleaving: int = 0) -> list[Record]:
    """The records of the same run in another process. Raises UserError when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        done = subprocess.run(  # noqa: S603  (our own module)
            [sys.executable, "-m", "harness.simulation", chain, experiment, str(seed), trace,
             str(interleaving)],
            env={**os.environ, "PYTHONHASHSEED": OTHER_HASH_SEED},
            timeout=WITHIN_S, check=False, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode != 0:
            last = done.stderr.strip().rpartition("\n")[2]
            raise UserError(f"the second run of the determinism check failed: {last}")
        return decode(trace.read_bytes())[0]


def first_difference(first: Sequence[Record], second: Sequence[Record]) -> str | None:
    """The first record in which two traces differ, in words; None when they are the same."""
    for number, (one, other) in enumerate(zip_longest(first, second), start=1):
        if one != other:
            return f"record {number} differs: {_told(one, other)}"
    return None


def _told(one: Record | None, other: Record | None) -> str:
    """The whole records; of two of a kind, the first and what the other has instead."""
    if one is None or other is None or type(one) is not type(other):
        return f"{_shown(one)} and then {_shown(other)}"
    instead = {
        name: value
        for name, value in msgspec.structs.asdict(other).items()
        if value != getattr(one, name)
    }
    return f"{_shown(one)} and then {', '.join(f'{name}={instead[name]!r}' for name in instead)}"


def _shown(record: Record | None) -> str:
    return "nothing" if record is None else repr(record)
