"""What a rail is: data about one kind of money. Source: docs/domain.md §1.8 and §1.9."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from paychain.payments.journal import Verb

WayOut = Literal["reverse", "query", "resend", "give_up"]


@dataclass(frozen=True, kw_only=True)
class Rail:
    """One kind of money. `makes`: what each operation does to it.

    `on_unknown`: the ways out of an unknown outcome that the rail has, the usual one first. To give
    up is possible on every rail.
    """

    name: str
    makes: Mapping[str, Verb]
    on_unknown: tuple[WayOut, ...]

    def operations(self, *verbs: Verb) -> frozenset[str]:
        """The operations that do one of these to money."""
        return frozenset(name for name, verb in self.makes.items() if verb in verbs)
