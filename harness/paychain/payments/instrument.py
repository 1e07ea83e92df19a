"""What a payment is made with or to: a card, an address on a ledger, or an account.

An instrument has a `group` (whose rules it is under: a card's scheme, an address's network, an
account's rail), an `identity` (what is charged or paid) and a `masked` form, which is all that may
reach a file.
"""

from __future__ import annotations

from functools import cache

from paychain.payments.accounts import accounts_on
from paychain.payments.addresses import addresses_on
from paychain.payments.cards import TEST_CARDS, Card
from paychain.payments.rails import account_rails

Instrument = Card


@cache
def published(network: str) -> tuple[Instrument, ...]:
    """What test payments are made with: cards, or on a network to addresses; "" stands for none.

    The title of a rail stands for its accounts: no link may have such a name.
    """
    if network in (rail.title for rail in account_rails().values()):
        return accounts_on(network)
    return addresses_on(network) if network else TEST_CARDS
