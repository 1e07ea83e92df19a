"""What a record shares with others that went alike, kept as a small number beside it in run.db.

A shape is all that the money rules look at, without what differs from payment to payment: ids,
times and the amount. It is found while records come in, so that nobody has to read them again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from harness.payments.journal import Decision, HopRecord, Movement, PaymentRecord

TABLE = "shape"
MOST = 100_000  # a record beyond them has none: its payment is judged by itself


def _of_payment(one: PaymentRecord) -> tuple[Any, ...]:
    return (
        "txn", one.technical, one.outcome, one.code, one.told, one.currency, one.scheme,
        one.decided_by, one.warm_up, one.approved_minor == one.amount_minor,
        one.approved_minor == 0,
    )  # fmt: skip


def _of_hop(one: HopRecord) -> tuple[Any, ...]:
    return (
        "hop", one.caller, one.operation, one.callee, one.route, one.attempt, one.result, one.code,
    )  # fmt: skip


def _of_movement(one: Movement) -> tuple[Any, ...]:
    return (
        "movement", one.link, one.attempt, one.kind, one.currency,
        one.reference.replace(one.payment, ""), one.decided_by, one.item,
    )  # fmt: skip


def _of_decision(one: Decision) -> tuple[Any, ...]:
    return (
        "decision", one.link, one.kind, one.attempt, one.operation, one.target,
        one.detail.replace(one.payment, ""),
    )  # fmt: skip


_PARTS: dict[type[Any], Callable[[Any], tuple[Any, ...]]] = {
    PaymentRecord: _of_payment, HopRecord: _of_hop, Movement: _of_movement, Decision: _of_decision,
}  # fmt: skip
SHAPED = tuple(_PARTS)


class Shapes:
    """The shapes that were met so far, in memory and in the run's database."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._numbers: dict[tuple[Any, ...], int] = {}

    def create(self) -> None:
        """The table, empty."""
        self._db.execute(f"CREATE TABLE {TABLE} (number INTEGER PRIMARY KEY, kind, parts)")

    def of(self, kind: type[Any], records: Sequence[Any]) -> list[int | None]:
        """The number of each record's shape. Costs half a microsecond each."""
        parts_of, numbers = _PARTS[kind], self._numbers
        found: list[int | None] = []
        for record in records:
            parts = parts_of(record)
            number = numbers.get(parts)
            if number is None and len(numbers) < MOST:
                number = numbers[parts] = len(numbers)
                self._db.execute(
                    f"INSERT INTO {TABLE} VALUES (?, ?, ?)",
                    (number, parts[0], json.dumps(parts[1:])),
                )
            found.append(number)
        return found


def hop_of(parts: str) -> tuple[str, str, str, int]:
    """Caller, operation, callee and route of a hop's shape, from its parts as they are kept."""
    caller, operation, callee, route, *_ = json.loads(parts)
    return caller, operation, callee, route
