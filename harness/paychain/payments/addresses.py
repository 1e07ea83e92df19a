"""Addresses on a ledger that test payouts go to: only those whose keys are published for testing.

Nobody owns anything there on a real network: whoever sends to them gives it away. Source: the
default accounts of Hardhat and Anvil.
"""

from __future__ import annotations

from paychain.payments.cards import Card


class Address(Card, frozen=True, gc=False):
    """Where a transfer goes: `number` is the address, `scheme` its network.

    The names are those of a card, because an instrument has one form on the wire. It is masked as
    a card is, which is how people shorten addresses; it is not a secret.
    """


_PUBLISHED = (
    "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
    "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
    "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
)


def addresses_on(network: str) -> tuple[Address, ...]:
    """The published addresses, on this network."""
    return tuple(Address(address, network) for address in _PUBLISHED)
