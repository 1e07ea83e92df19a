"""What a payment is made with. Today that is a card; an account or an address will be others.

An instrument has a `group` (whose rules it is under: a card's scheme), an `identity` (what is
charged) and a `masked` form, which is all that may reach a file.
"""

from __future__ import annotations

from paychain.payments.cards import Card

Instrument = Card
