"""Accounts as they stand in the end: cards', merchants' and every link's, and what was sold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tests.oracle.world import (
    CHARGE_BACK,
    GIVE_BACK,
    HOLD,
    REDUCE,
    RELEASE,
    TAKE,
    UNTAKE,
    Deal,
    Entry,
    World,
)

# The end of the name under which a link books a request that it works on once more: `~bank.2`. The
# first attempt at what a gateway without keys forwards once more has an end of its own: `~2-1.1`.
REPEATED = re.compile(r"~[^~+./\d][^~+./]*\.\d+$")


@dataclass(kw_only=True)
class Account:
    """One account: what is held and taken on it now, and what may never have happened."""

    holds: int = 0  # how often something was held
    first: int = 0  # what was held at first
    held: int = 0
    taken: int = 0
    given: int = 0
    charged_back: int = 0
    was_held: int = 0  # everything that was ever held
    expired: int = 0
    undone: int = 0  # released, and not because it expired
    beyond_hold: int = 0  # taken, and not held at that moment
    beyond_taken: int = 0  # given back, and not taken before
    beyond_held: int = 0  # released, and not held at that moment

    @property
    def exposure(self) -> int:
        """What the cardholder is out of: held, or taken and not given back.

        Who had to dispute it was charged: what the bank charged back does not count.
        """
        return max(self.held, 0) + self.taken - self.given

    def write(self, line: Entry) -> None:
        """One more line."""
        amount = line.amount_minor
        if line.does == HOLD:
            self.first = self.first if self.holds else amount
            self.holds += 1
            self.held += amount
            self.was_held += amount
        elif line.does == TAKE:
            self.beyond_hold += max(0, amount - max(0, self.held))
            self.held -= amount
            self.taken += amount
        elif line.does == UNTAKE:
            self.held += amount
            self.taken -= amount
        elif line.does == REDUCE:  # no more than the rest was ever approved
            self.first -= amount
            self.held -= amount
            self.was_held -= amount
        elif line.does == RELEASE:
            self.beyond_held += max(0, amount - max(0, self.held))
            self.held -= amount
            if line.why == "expired":
                self.expired += amount
            else:
                self.undone += amount
        else:
            left = max(0, self.taken - self.given - self.charged_back)
            self.beyond_taken += max(0, amount - left)
            if line.does == CHARGE_BACK:
                self.charged_back += amount
            else:
                assert line.does == GIVE_BACK
                self.given += amount

    @property
    def tip(self) -> int:
        """What was taken on top of the hold."""
        return max(0, self.taken - self.was_held)

    def beyond_allowance(self, share: float) -> int:
        """Taken beyond what was held, and beyond the tip that the bank permits on top of it."""
        return self.beyond_hold - min(int(self.was_held * share + 0.5), self.tip)


def accounts(lines: list[Entry]) -> dict[tuple[str, str], Account]:
    """The accounts of some links, by link and authorisation."""
    found: dict[tuple[str, str], Account] = {}
    for line in lines:
        found.setdefault((line.link, line.reference), Account()).write(line)
    return found


@dataclass(frozen=True, kw_only=True)
class Sale:
    """What one gateway's book has under one reference, and the card accounts that belong to it."""

    payment: str
    gateway: str
    reference: str
    book: Account
    is_known: bool  # to the merchant, and not taken back from it
    cards: tuple[Account, ...]

    def is_wanted(self, world: World, what: str) -> bool:
        """Whether the merchant cancels, captures or refunds it: chance says so."""
        link = world.chain.links[self.gateway]

        def is_drawn(kind: str, declared: Any) -> bool:
            return (
                declared is not None
                and world.drawn(self.gateway, kind, self.payment) < declared.share
            )

        cancels = is_drawn("cancels", link.cancels)
        captures = not cancels and is_drawn("captures", link.captures)
        refunds = captures and is_drawn("refunds", link.refunds)
        return (
            self.is_known and {"cancels": cancels, "captures": captures, "refunds": refunds}[what]
        )


def sales(world: World, deal: Deal) -> list[Sale]:
    """Everything that gateways have booked as approved for a payment."""
    books = accounts(deal.of(world.links("gateway")))
    cards = accounts(deal.of(world.links("issuer")))
    # What a gateway has only stored is its merchant's once it is delivered and approved.
    stored = {(line.link, line.reference) for line in deal.lines if line.why == "stored"}
    sold = {reference for _, reference in books}
    return [
        Sale(
            payment=deal.payment,
            gateway=gateway,
            reference=reference,
            book=book,
            is_known=(gateway, reference) not in deal.taken_back
            and ((gateway, reference) not in stored or (gateway, reference) in deal.sold),
            cards=tuple(
                card
                for (_, name), card in cards.items()
                if belongs_to(name, reference)
                # What a bank made of the same request for another sale is that one's.
                and (name == reference or name not in sold)
            ),
        )
        for (gateway, reference), book in books.items()
    ]


def belongs_to(name: str, sale: str) -> bool:
    """Whether an authorisation is a sale's: under its reference, or one that a relay made of it.

    A gateway's own next attempt has a number after the mark, a relay's its name. What a bank
    without keys made of one request twice (`p1-1`, `p1-1~bank.2`) is all of one sale, whichever
    answer came through.
    """
    asked = REPEATED.sub("", sale)
    more = name.removeprefix(asked)
    is_relays = more[:1] in ("+", "~", ".") and not more[1:2].isdigit()
    return name.startswith(asked) and (not more or is_relays)


def is_named_after(name: str, payment: str) -> bool:
    """Whether an authorisation is named after this payment: `p1-1`, `p1.edge1-1`."""
    return name.startswith((f"{payment}-", f"{payment}."))


def is_gone(cards: list[Account]) -> bool:
    """Nothing of an approval is left on the card, and it was neither given back nor did it end."""
    return not any(card.exposure > 0 or card.given or card.expired for card in cards)
