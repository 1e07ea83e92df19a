"""What a rail is: data about one kind of money. Source: docs/domain.md §1.8 and §1.9."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from paychain.payments.journal import Verb


@dataclass(frozen=True, kw_only=True)
class Rail:
    """One kind of money. `makes`: what each operation does to it."""

    name: str
    makes: Mapping[str, Verb]

    def operations(self, *verbs: Verb) -> frozenset[str]:
        """The operations that do one of these to money."""
        return frozenset(name for name, verb in self.makes.items() if verb in verbs)
