"""What a payment is made with or to: a card, or an address on a ledger.

An instrument has a `group` (whose rules it is under: a card's scheme, an address's network), an
`identity` (what is charged or paid) and a `masked` form, which is all that may reach a file.
"""

from __future__ import annotations

from functools import cache

from paychain.payments.addresses import addresses_on
from paychain.payments.cards import TEST_CARDS, Card

Instrument = Card


@cache
def published(network: str) -> tuple[Instrument, ...]:
    """What test payments are made with: cards, or on a network to addresses; "" stands for none."""
    return addresses_on(network) if network else TEST_CARDS
