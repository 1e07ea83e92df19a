"""How much may fail at once while a script is minimised, from the quickest to the surest way."""

from __future__ import annotations

from dataclasses import dataclass

from paychain.explore.live.result import MAX_BATCH


@dataclass(frozen=True)
class Gentleness:
    """How many payments fail at once while minimising: fewer, among more that do not."""

    payments: int  # with a script, in one batch
    controls: int | None = None  # without one, for each of them; None: as the search has


# Most breakers open when a half of the calls fails, and a payment that fails may be tried again.
FULL, GENTLE, GENTLEST = LEVELS = (Gentleness(MAX_BATCH), Gentleness(48, 2), Gentleness(12, 6))
