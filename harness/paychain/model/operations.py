"""Operations of a chain by what they do to money."""

from __future__ import annotations

from paychain.payments.journal import Verb
from paychain.payments.rails import CARD

MONEY = frozenset(CARD.makes)  # all that a link books: also what only releases a hold
MOVES_MONEY = CARD.operations(Verb.HOLD, Verb.MOVE, Verb.RETURN)
REVERSIBLE = CARD.operations(Verb.HOLD)
# Calls whose unknown outcome can be reversed: a hold, or the whole payment that was passed on.
REVERSED = frozenset({"authorise", "forward"})
