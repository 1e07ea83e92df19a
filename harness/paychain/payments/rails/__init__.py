"""Rails: kinds of money that differ in what an operation does to it.

A rail is a module with a table and a line here.
"""

from __future__ import annotations

from paychain.payments.rails.account import ACCOUNT, RailLimits, RecallReason, account_rails
from paychain.payments.rails.card import CARD
from paychain.payments.rails.finality import AT_ONCE, Finality
from paychain.payments.rails.ledger import LEDGER
from paychain.payments.rails.rail import Rail

RAILS: dict[str, Rail] = {rail.name: rail for rail in (CARD, LEDGER, ACCOUNT)}

__all__ = [
    "ACCOUNT",
    "AT_ONCE",
    "CARD",
    "LEDGER",
    "RAILS",
    "Finality",
    "Rail",
    "RailLimits",
    "RecallReason",
    "account_rails",
]
