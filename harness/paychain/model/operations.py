"""Operations of a chain by what they do to money."""

from __future__ import annotations

from paychain.payments.journal import Verb
from paychain.payments.rails import CARD, LEDGER, RAILS

MONEY = frozenset(CARD.makes)  # all that a card's links book: also what only releases a hold
MOVES_MONEY = frozenset().union(
    *(rail.operations(Verb.HOLD, Verb.MOVE, Verb.RETURN) for rail in RAILS.values())
)
REVERSIBLE = CARD.operations(Verb.HOLD)
TRANSFERS = frozenset(LEDGER.makes)
LOOKS = ("read", "scan")  # at a ledger: what is believed is what enough links say
# What begins to move money: its unknown outcome has to be reversed, queried, or sent again.
RESOLVED = REVERSIBLE | TRANSFERS
# Calls whose unknown outcome can be reversed: a hold, the whole payment that was passed on, or what
# a clearing has passed on to the payee's bank.
REVERSED = frozenset({"authorise", "forward", "transfer"})
CUSTOMER = "customer"  # the caller of the entry hop
ENTRY_OPERATION = "pay"
