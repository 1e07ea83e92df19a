"""What one link's book says of one authorisation, in amounts, line by line in the book's order.

    held = authorised - released - captured
    exposure = held + captured - refunded      (who had to dispute it was charged)

    hold ──▶ held ──▶ release
          ▲     └───▶ move (captured) ──▶ return (refunded)
          └────────── undone (uncaptured)

Held is never below nothing: what is released or captured must be held at that moment.
Source: docs/domain.md §1.9 and §2.5 (I1, I4, I9).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import takewhile
from typing import assert_never

from paychain.payments.journal import Movement, MovementKind, Verb
from paychain.payments.money import share_of

# A second execution of the same request is marked, by a link without idempotency keys ("c1~2") or
# by a merchant's second trigger with a key of its own ("c1~webhook").
REPEAT = "~"
# The parts of a payment that is paid by several means are `p1-1/1`, `p1-1/2`.
PART = "/"


def attempt_of(reference: str) -> str:
    """The attempt that a reference belongs to: `p1-1` for `p1-1/2`."""
    return reference.partition(PART)[0]


def tender_of(reference: str) -> str:
    """Which of several means it is about: "2" for p1-1/2 and p1-1/2.1; "" for a whole one."""
    return "".join(takewhile(str.isdigit, reference.partition(PART)[2]))


@dataclass(slots=True)
class Position:
    """One authorisation in one link's book. Amounts are minor units.

    `holds` counts how often it was booked. `captured` and `refunded` are by item, each item counted
    once; `rebooked_minor` is what repeats of an item booked, `recaptured_minor` those of captures,
    `returned_again_minor` those of refunds.
    What was more than possible at its moment: `over_released_minor`, `over_captured_minor`,
    `over_refunded_minor`.
    `unreleased_minor`: what stayed held after a release.
    """

    holds: int = 0
    first_minor: int = 0  # of the first hold
    authorised_minor: int = 0
    released_minor: int = 0
    captured: dict[str, int] = field(default_factory=dict)
    refunded: dict[str, int] = field(default_factory=dict)
    # Captures, in their order, each with the captures that stood then.
    undone: dict[str, tuple[int, frozenset[str]]] = field(default_factory=dict)
    captured_minor: int = 0
    refunded_minor: int = 0
    charged_back_minor: int = 0
    rebooked_minor: int = 0
    recaptured_minor: int = 0
    returned_again_minor: int = 0
    over_released_minor: int = 0
    over_captured_minor: int = 0
    over_refunded_minor: int = 0
    unreleased_minor: int = 0
    is_expired: bool = False
    stood_in: bool = False  # approved in place of the link that should have decided
    is_stored: bool = False  # accepted before it was authorised

    @property
    def held_minor(self) -> int:
        """Set apart and neither released nor captured."""
        return max(0, self.authorised_minor - self.released_minor - self.taken_minor)

    @property
    def taken_minor(self) -> int:
        """Captured, repeats included, whatever was given back since."""
        return self.captured_minor + self.recaptured_minor

    @property
    def exposure_minor(self) -> int:
        """How much of the customer's money is held or taken."""
        returned_minor = self.refunded_minor + self.returned_again_minor
        return self.held_minor + self.taken_minor - returned_minor

    @property
    def standing_minor(self) -> int:
        """What was approved here and not released: held, or captured, refunded or not."""
        return max(self.authorised_minor - self.released_minor, self.captured_minor)

    @property
    def is_cancelled(self) -> bool:
        """Whether everything was released, and not because it expired."""
        return 0 < self.authorised_minor <= self.released_minor and not self.is_expired

    @property
    def was_there(self) -> bool:
        """Whether there is money, or was until it was refunded or its hold expired."""
        return (
            self.exposure_minor > 0
            or self.refunded_minor > 0
            or self.charged_back_minor > 0
            or self.is_expired
        )

    def over_captured(self, share: float) -> int:
        """Minor units captured beyond the hold at that time plus `share` of it."""
        permitted_minor = share_of(self.authorised_minor, share)
        # Beyond a hold that was released nothing is permitted, however little was captured of it.
        beyond_minor = max(0, self.taken_minor - self.authorised_minor)
        # Repeats use up what is permitted, too, and are a finding of their own.
        return max(0, self.over_captured_minor - min(permitted_minor, beyond_minor))

    def is_sound(self, overcapture: float) -> bool:
        """Whether this book alone keeps the laws, so that others may be compared with it.

        `overcapture`: how much more than it holds its link may capture, as a share of the hold.
        """
        return self.holds <= 1 and not (
            self.over_released_minor
            or self.over_captured(overcapture)
            or self.unreleased_minor
            or self.rebooked_minor
        )

    @property
    def returned_minor(self) -> int:
        """Everything refunded, whoever requested it and however often."""
        return self.refunded_minor + self.charged_back_minor + self.returned_again_minor

    @property
    def net_minor(self) -> int:
        """Captured less refunded: what the merchant agreed to, chargebacks left aside."""
        return self.captured_minor - self.refunded_minor

    def is_replaced(self, item: str) -> bool:
        """Whether a later capture came in the place of one that was undone."""
        if item not in self.undone or item in self.captured:
            return False
        amount_minor, before = self.undone[item]
        is_last = item == next(reversed(self.undone))
        return self.held_minor < amount_minor and (
            bool(self.captured.keys() - before) or not is_last
        )

    def book(self, movement: Movement) -> None:
        """Add the next line of the book."""
        amount_minor = movement.amount_minor
        assert amount_minor >= 0  # the kind says which way money goes, never the sign
        match movement.kind.verb:
            case Verb.HOLD:
                self.holds += 1
                self.first_minor = self.first_minor or amount_minor
                self.authorised_minor += amount_minor
                self.stood_in |= movement.kind is MovementKind.STOOD_IN
                self.is_stored |= movement.kind is MovementKind.STORED
            case Verb.RELEASE if movement.kind is MovementKind.REDUCED:
                # No more than the rest was ever approved.
                self.authorised_minor -= amount_minor
                self.first_minor -= amount_minor
            case Verb.RELEASE:
                self.over_released_minor += max(0, amount_minor - self.held_minor)
                self.released_minor += amount_minor
                self.unreleased_minor = self.held_minor
                self.is_expired |= movement.kind is MovementKind.EXPIRED
            case Verb.MOVE:
                if self._is_new(self.captured, movement):
                    self.over_captured_minor += max(0, amount_minor - self.held_minor)
                    self.captured_minor += amount_minor
                else:
                    self.recaptured_minor += amount_minor
            case Verb.RETURN:
                # A repeat that was booked again has given money back as well.
                returnable_minor = max(0, self.taken_minor - self.returned_minor)
                self.over_refunded_minor += max(0, amount_minor - returnable_minor)
                if not self._is_new(self.refunded, movement):
                    self.returned_again_minor += amount_minor
                elif movement.kind is MovementKind.CHARGED_BACK:
                    self.charged_back_minor += amount_minor
                else:
                    self.refunded_minor += amount_minor
            case Verb.UNDONE:
                self._undo(movement)
            case _ as unreachable:
                assert_never(unreachable)

    def _undo(self, movement: Movement) -> None:
        """A capture has not happened: its item is as if it had never been booked."""
        item, _, is_repeat = movement.item.partition(REPEAT)
        if is_repeat and self.recaptured_minor >= movement.amount_minor:
            self.recaptured_minor -= movement.amount_minor
            return
        beyond_minor = self.taken_minor - self.authorised_minor
        undone_minor = max(0, min(movement.amount_minor, beyond_minor))
        self.over_captured_minor -= min(self.over_captured_minor, undone_minor)
        self.captured_minor -= movement.amount_minor
        self.captured.pop(item, None)
        self.undone[item] = (movement.amount_minor, frozenset(self.captured))

    def _is_new(self, items: dict[str, int], movement: Movement) -> bool:
        """Whether a capture or refund is the first of its item; a repeat is only counted."""
        item = movement.item.partition(REPEAT)[0]
        # A repeat that was booked again must not hide in the sum.
        if item in items:
            self.rebooked_minor += movement.amount_minor
            return False
        items[item] = movement.amount_minor
        return True
