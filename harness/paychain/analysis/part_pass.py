"""The pass over a part of a run's payments, as a process of its own makes it: see `parts`.

It imports little else than what it needs: a process that imports the whole model first takes five
times as long to begin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from paychain.analysis.measures.fallback_tallies import Tallies, tallied
from paychain.analysis.store import connection as connections
from paychain.analysis.store.fingerprints import Bound, FingerprintRange


class FaultSpan(NamedTuple):
    """When a fault was applied and healed, in seconds of the run; None: never."""

    applied_s: float | None
    healed_s: float | None


@dataclass(frozen=True, kw_only=True)
class PaymentRange:
    """A part of a run's payments: those after one, up to another.

    `version`: of the file's tables. `fallbacks`: the kinds of decisions that are fallbacks.
    """

    path: Path
    version: int
    after: Bound
    upto: Bound
    faults: Sequence[FaultSpan]
    fallbacks: Sequence[str]


class Passed(NamedTuple):
    """What one process found."""

    fingerprints: FingerprintRange
    uses: Tallies


def pass_over(part: PaymentRange, _: Callable[[Any], None]) -> Passed:
    """Read a part of a run that is indexed by payment. Raises sqlite3.Error."""
    with closing(connections.open_(part.path, part.version, is_read_only=True)) as database:
        found = FingerprintRange()
        found.read(database.execute, part.after, part.upto)
        uses = tallied(database.execute, part.fallbacks, part.faults, part.after, part.upto)
        return Passed(found, uses)
