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

from harness.payments.errors import UserError
from harness.payments.journal import Record, decode, encode

OTHER_HASH_SEED = "777"  # of the second process: sets and hashes fall differently there
WITHIN_S = 600.0


def digest(records: Sequence[Record]) -> str:
    """SHA-256 of the trace."""
    return sha256(encode(records)).hexdigest()


def replay(chain: Path, experiment: Path, seed: int) -> list[Record]:
    """The records of the same run in another process. Raises UserError when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        done = subprocess.run(  # noqa: S603  (our own module)
            [sys.executable, "-m", "harness.simulation", chain, experiment, str(seed), trace],
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
            return f"record {number} differs: {_shown(one)} and then {_shown(other)}"
    return None


def _shown(record: Record | None) -> str:
    return "nothing" if record is None else repr(record)
