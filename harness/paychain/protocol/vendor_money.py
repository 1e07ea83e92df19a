"""An amount as vendors' APIs carry it: a whole number of minor units beside its currency."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount in minor units."""

    minor: int
    currency: str
