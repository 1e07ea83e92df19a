"""Rails: kinds of money that differ in what an operation does to it.

A rail is a module with a table and a line here. Today there is one.
"""

from __future__ import annotations

from paychain.payments.rails.card import CARD
from paychain.payments.rails.rail import Rail

RAILS: dict[str, Rail] = {rail.name: rail for rail in (CARD,)}

__all__ = ["CARD", "RAILS", "Rail"]
