"""Payments that went alike: a million payments have a few hundred fingerprints.

A fingerprint is the shapes of all records of a payment (see `shapes`), in the order in which
stories have them. SQLite puts it together in one pass, so that most stories are never read at all::

    3                  the customer's record
    0,6,5,4,3          its hops
    7n,8,9,10          its movements
    15                 its decisions

A number stands for a shape with the payment's own amount, merchant and instrument. `n`: the record
names no party, or is about no amount. `?`: it has no shape, or another amount or party.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator
from typing import NamedTuple

UNKNOWN = "?"  # a record of which the fingerprint does not say everything
MAX_FINGERPRINTS = 100_000  # that are told apart; the payments beyond them have UNSAID
UNSAID = "\n".join([UNKNOWN] * 4)  # a fingerprint that says nothing
_PARTS = ("txn", "hop", "movement", "decision")  # the lines of a fingerprint, by table
_NOTHING = ("", "")  # after the last payment's decisions

_HOP = f"COALESCE(shape, '{UNKNOWN}')"
# Amounts and parties that are all equal pass the same comparisons, whatever they are.
_MOVEMENT = (
    f"COALESCE(CASE WHEN amount_minor IS NOT paid.amount_minor THEN '{UNKNOWN}' "
    "WHEN party IS paid.party THEN shape "
    f"WHEN party IS NULL THEN shape || 'n' ELSE '{UNKNOWN}' END, '{UNKNOWN}')"
)
_DECISION = (
    "COALESCE(CASE decision.amount_minor WHEN 0 THEN decision.shape || 'n' "
    f"WHEN paid.amount_minor THEN decision.shape ELSE '{UNKNOWN}' END, '{UNKNOWN}')"
)


def _line(table: str, item: str) -> str:
    return (
        f"COALESCE((SELECT GROUP_CONCAT({item}) FROM {table} "
        f"INDEXED BY {table}_payment WHERE payment = paid.payment), '')"
    )


# The indexes by payment have all rows in the order of stories: nothing is sorted.
_CUSTOMERS = "FROM txn AS paid INDEXED BY txn_payment WHERE payment != '' ORDER BY payment"
_FINGERPRINTS = (
    f"SELECT payment, COALESCE(shape, '{UNKNOWN}') || '\n' || "
    f"{_line('hop', _HOP)} || '\n' || "
    f"{_line('movement', _MOVEMENT)} || '\n' {_CUSTOMERS}"
)
# Few payments have any decisions: they are asked for by themselves.
_DECISIONS = (
    f"SELECT decision.payment, GROUP_CONCAT({_DECISION}) "
    "FROM decision INDEXED BY decision_payment CROSS JOIN txn AS paid INDEXED BY txn_payment "
    "ON paid.payment = decision.payment AND paid.rowid = "
    "(SELECT MIN(rowid) FROM txn WHERE payment = decision.payment) "
    "WHERE decision.payment != '' GROUP BY decision.payment ORDER BY decision.payment"
)


class Fingerprint(NamedTuple):
    """What one payment went like, or many."""

    text: str

    @property
    def says_all(self) -> bool:
        """Whether payments that share it differ in nothing but ids, times and their amount."""
        return UNKNOWN not in self.text

    def shapes(self, table: str) -> list[str] | None:
        """The numbers of its shapes in one table, as text; None where it does not say."""
        line = self.text.split("\n")[_PARTS.index(table)]
        if UNKNOWN in line:
            return None
        return [item.rstrip("n") for item in line.split(",")] if line else []

    def records(self, table: str) -> int:
        """How many records it speaks of in one table."""
        line = self.text.split("\n")[_PARTS.index(table)]
        return line.count(",") + 1 if line else 0


class Fingerprints:
    """The fingerprint of every payment of a run that is over: four bytes for each payment."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Index the records by payment before."""
        self._db = db
        self._numbers = array("I")  # of each payment's fingerprint, in the order of their ids
        self._known = [Fingerprint(UNSAID)]
        self._payments = [0]  # that have it, by fingerprint
        self._matched = dict.fromkeys(_PARTS[1:], 0)  # records of payments with a customer
        self._has_repeats = False  # of a payment's customer
        self._read()

    def counts(self) -> Iterator[tuple[Fingerprint, int]]:
        """Every fingerprint that payments have, with their number."""
        for fingerprint, payments in zip(self._known, self._payments, strict=True):
            if payments:
                yield fingerprint, payments

    def payments(self) -> Iterator[tuple[str, Fingerprint]]:
        """Every payment with its fingerprint, in the order of their ids."""
        known = self._known
        unique = "DISTINCT " if self._has_repeats else ""
        payments = self._db.execute(f"SELECT {unique}payment {_CUSTOMERS}")
        for (payment,), number in zip(payments, self._numbers, strict=True):
            yield payment, known[number]

    def strangers(self) -> list[str]:
        """Payments that only links know of: there is no record of their customer."""
        found: set[str] = set()
        for table, matched in self._matched.items():
            ((others,),) = self._db.execute(
                f"SELECT (SELECT COUNT(*) FROM {table}) - "
                f"(SELECT COUNT(*) FROM {table} WHERE payment = '')"
            )
            assert matched <= others
            # Counting is cheap. Looking at every row is not, and seldom is there any to find.
            if matched < others:
                found.update(
                    payment
                    for (payment,) in self._db.execute(
                        f"SELECT DISTINCT payment FROM {table} WHERE payment != '' "
                        "AND payment NOT IN (SELECT payment FROM txn)"
                    )
                )
        return sorted(found)

    def _read(self) -> None:
        numbers: dict[str, int] = {}
        append, payments = self._numbers.append, self._payments
        decisions = self._db.execute(_DECISIONS)
        decided, of_decisions = next(decisions, _NOTHING)
        last = ""
        for payment, text in self._db.execute(_FINGERPRINTS):
            if payment == last:
                self._repeat()
                continue
            last = payment
            if payment == decided:
                text += of_decisions
                decided, of_decisions = next(decisions, _NOTHING)
            number = numbers.get(text)
            if number is None:
                number = self._number(text, numbers)
            append(number)
            payments[number] += 1
        for text, number in numbers.items():
            self._match(text, payments[number])

    def _repeat(self) -> None:
        """A second record of the last payment's customer: which of them stories show is open."""
        self._has_repeats = True
        number = self._numbers[-1]
        if number:
            self._payments[number] -= 1
            self._match(self._known[number].text, 1)
            self._payments[0] += 1
            self._numbers[-1] = 0

    def _number(self, text: str, numbers: dict[str, int]) -> int:
        """The number of a fingerprint that is new; 0, of UNSAID, where there is no more room."""
        if len(numbers) == MAX_FINGERPRINTS:
            self._match(text, 1)
            return 0
        numbers[text] = number = len(self._known)
        self._known.append(Fingerprint(text))
        self._payments.append(0)
        return number

    def _match(self, text: str, payments: int) -> None:
        for table in self._matched:
            self._matched[table] += Fingerprint(text).records(table) * payments
