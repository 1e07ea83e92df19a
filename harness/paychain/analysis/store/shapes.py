"""What a record shares with others that went alike, kept as a small number beside it in run.db.

A shape is all that the money rules look at, without what differs from payment to payment: ids,
times and the amount. It is found while records come in, so that they are not read again for it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from paychain.payments.journal import Decision, HopRecord, Movement, PaymentRecord

TABLE = "shape"
MAX_SHAPES = 100_000  # a record beyond them has no shape: its payment is judged by itself


def _of_payment(payment: PaymentRecord) -> tuple[Any, ...]:
    return (
        "txn",
        payment.technical,
        payment.outcome,
        payment.code,
        payment.shown,
        payment.currency,
        payment.scheme,
        payment.decided_by,
        payment.warm_up,
        # The rules compare the approved amount with the asked one; its size does not matter.
        payment.approved_minor == payment.amount_minor,
        payment.approved_minor == 0,
    )


def _of_hop(hop: HopRecord) -> tuple[Any, ...]:
    return (
        "hop",
        hop.caller,
        hop.operation,
        hop.callee,
        hop.route,
        hop.attempt,
        hop.result,
        hop.code,
    )


def _of_movement(movement: Movement) -> tuple[Any, ...]:
    return (
        "movement",
        movement.link,
        movement.attempt,
        movement.kind,
        movement.currency,
        # `p0000956-2` and `p0000957-2` are the same step of two payments.
        movement.reference.replace(movement.payment, ""),
        movement.decided_by,
        movement.item,
        movement.leg,
    )


def _of_decision(decision: Decision) -> tuple[Any, ...]:
    return (
        "decision",
        decision.link,
        decision.kind,
        decision.attempt,
        decision.operation,
        decision.target,
        decision.detail.replace(decision.payment, ""),
    )


_PARTS: dict[type[Any], Callable[[Any], tuple[Any, ...]]] = {
    PaymentRecord: _of_payment,
    HopRecord: _of_hop,
    Movement: _of_movement,
    Decision: _of_decision,
}
SHAPED = tuple(_PARTS)
Likeness = tuple[int, ...]
"""Numbers of the shapes of a payment's records: equal ones mean that payments went alike."""
WITH_PARTY = (PaymentRecord, Movement)  # records that name a merchant and an instrument
_NOBODY = ("", "")  # a party that is not named


class Shapes:
    """The shapes seen so far, in memory and in the run's database."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._parties: dict[tuple[str, str], int] = {}
        self._first_shape = self._first_party = 0

    def go_on(self, with_party: Iterable[str]) -> None:
        """Number what is added from now on beyond what an earlier process has numbered.

        `with_party`: the tables whose records name one. What went alike has two numbers then.
        """
        highest = f"SELECT COALESCE(MAX(number), -1) + 1 FROM {TABLE}"
        self._first_shape = self._db.execute(highest).fetchone()[0]
        for table in with_party:
            found = self._db.execute(f"SELECT COALESCE(MAX(party), 0) FROM {table}").fetchone()[0]
            self._first_party = max(self._first_party, found)

    def create(self) -> None:
        """Create the table, empty."""
        self._db.execute(f"CREATE TABLE {TABLE} (number INTEGER PRIMARY KEY, kind, parts)")

    def numbers_of(self, kind: type[Any], records: Sequence[Any]) -> list[int | None]:
        """The number of each record's shape; None beyond MAX_SHAPES.

        Costs half a microsecond a record.
        """
        parts_of, numbers = _PARTS[kind], self._numbers
        found: list[int | None] = []
        for record in records:
            parts = parts_of(record)
            number = numbers.get(parts)
            if number is None and len(numbers) < MAX_SHAPES:
                number = numbers[parts] = self._first_shape + len(numbers)
                self._db.execute(
                    f"INSERT INTO {TABLE} VALUES (?, ?, ?)",
                    (number, parts[0], json.dumps(parts[1:])),
                )
            found.append(number)
        return found

    def parties_of(self, records: Sequence[Any]) -> list[int | None]:
        """A number for each record's merchant and instrument; None where it names neither.

        Equal numbers mean equal parties: that is all that is asked of them.
        """
        parties = self._parties
        found: list[int | None] = []
        for record in records:
            key = (record.merchant, record.instrument)
            number = parties.get(key)
            if number is None and key != _NOBODY:
                number = parties[key] = self._first_party + len(parties) + 1
            found.append(number)
        return found


class Likenesses:
    """What payments of several runs of one chain went like, in memory; `store.fingerprints` of one.

    A record is as said there: `~number` is about no amount, or names no party.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[Any, ...], int] = {}

    def of(
        self,
        paid: PaymentRecord,
        hops: Sequence[HopRecord],
        movements: Sequence[Movement],
        decisions: Sequence[Decision],
    ) -> Likeness | None:
        """What one payment went like; None where that would not say everything.

        None, too, where a record has a new shape beyond MAX_SHAPES.
        """
        amount, party = paid.amount_minor, (paid.merchant, paid.instrument)
        # With each shape whether the record is about the payment's amount or party.
        shapes = [(_of_payment(paid), True), *((_of_hop(hop), True) for hop in hops)]
        for movement in movements:
            named = (movement.merchant, movement.instrument)
            if movement.amount_minor != amount or named not in (party, _NOBODY):
                return None
            shapes.append((_of_movement(movement), named == party))
        for decision in decisions:
            if decision.amount_minor not in (0, amount):
                return None
            shapes.append((_of_decision(decision), decision.amount_minor != 0))
        found = []
        for parts, is_about_it in shapes:
            number = self._number(parts)
            if number is None:
                return None
            found.append(number if is_about_it else ~number)
        return tuple(found)

    def _number(self, parts: tuple[Any, ...]) -> int | None:
        if parts not in self._numbers and len(self._numbers) >= MAX_SHAPES:
            return None
        return self._numbers.setdefault(parts, len(self._numbers))


def hop_of(parts: str) -> tuple[str, str, str, int]:
    """Caller, operation, callee and route of a hop's shape, from its parts as they are kept."""
    caller, operation, callee, route, *_ = json.loads(parts)
    return caller, operation, callee, route


def result_of(parts: str) -> str:
    """The result of a hop's shape, a `HopResult`, from its parts as they are kept."""
    *_, result, _ = json.loads(parts)
    return str(result)


def is_of_warm_up(parts: str) -> bool:
    """Whether payments of this shape were made during warm-up, from its parts as they are kept."""
    *_, is_warm_up, _, _ = json.loads(parts)
    return bool(is_warm_up)
