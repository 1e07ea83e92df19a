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

import os
import sqlite3
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

UNKNOWN = "?"  # a record of which the fingerprint does not say everything
MAX_FINGERPRINTS = 100_000  # that are told apart; the payments beyond them have UNSAID
UNSAID = "\n".join([UNKNOWN] * 4)  # a fingerprint that says nothing
_PARTS = ("txn", "hop", "movement", "decision")  # the lines of a fingerprint, by table
PART = 50_000  # payments: fewer are not worth a thread and a connection of their own
Bound = str | bytes  # a payment, or what comes after all of them
Select = Callable[[str, Any], Iterator[Any]]  # rows of a query with values
_MAX_PARTS = 4
LAST = b""  # SQLite has every text before it
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
# A part of the payments: those after one, up to another.
_WITHIN = "payment > :after AND payment <= :upto"
_FINGERPRINTS = (
    f"SELECT payment, COALESCE(shape, '{UNKNOWN}') || '\n' || "
    f"{_line('hop', _HOP)} || '\n' || "
    f"{_line('movement', _MOVEMENT)} || '\n' "
    f"FROM txn AS paid INDEXED BY txn_payment WHERE {_WITHIN} ORDER BY payment"
)
# Few payments have any decisions: they have a query of their own.
_DECISIONS = (
    f"SELECT decision.payment, GROUP_CONCAT({_DECISION}) "
    "FROM decision INDEXED BY decision_payment CROSS JOIN txn AS paid INDEXED BY txn_payment "
    "ON paid.payment = decision.payment AND paid.rowid = "
    "(SELECT MIN(rowid) FROM txn WHERE payment = decision.payment) "
    f"WHERE decision.{_WITHIN.replace('AND ', 'AND decision.')} "
    "GROUP BY decision.payment ORDER BY decision.payment"
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
        """How many records of a table it stands for."""
        line = self.text.split("\n")[_PARTS.index(table)]
        return line.count(",") + 1 if line else 0


class FingerprintRange:
    """The fingerprints of some payments that follow each other."""

    def __init__(self) -> None:
        self.numbers = array("I")  # of each payment's fingerprint, in the order of their ids
        self.known = [Fingerprint(UNSAID)]
        self.payments = [0]  # that have it, by fingerprint
        self.matched = dict.fromkeys(_PARTS[1:], 0)  # records of payments with a customer
        self.has_repeats = False  # of a payment's customer
        self._by_text: dict[str, int] = {}

    def read(self, select: Select, after: Bound, upto: Bound) -> None:
        """Read the payments after one, up to another."""
        numbers, append, payments = self._by_text, self.numbers.append, self.payments
        within = {"after": after, "upto": upto}
        decisions = select(_DECISIONS, within)
        decided, of_decisions = next(decisions, _NOTHING)
        last = ""
        for payment, text in select(_FINGERPRINTS, within):
            if payment == last:
                self._repeat()
                continue
            last = payment
            if payment == decided:
                text += of_decisions
                decided, of_decisions = next(decisions, _NOTHING)
            number = numbers.get(text)
            if number is None:
                number = self._number(text)
            append(number)
            payments[number] += 1
        for text, number in numbers.items():
            self._match(text, payments[number])

    def merge(self, other: FingerprintRange) -> None:
        """Add the payments of the part that follows."""
        numbers = [0]
        for fingerprint, payments in zip(other.known[1:], other.payments[1:], strict=True):
            number = self._by_text.get(fingerprint.text)
            if number is None:
                number = self._new(fingerprint.text)
            numbers.append(number)
            self.payments[number] += payments
        self.payments[0] += other.payments[0]
        self.numbers.extend(map(numbers.__getitem__, other.numbers))
        for table, matched in other.matched.items():
            self.matched[table] += matched
        self.has_repeats |= other.has_repeats

    def _repeat(self) -> None:
        """A second record of the last payment's customer: which of them stories show is open."""
        self.has_repeats = True
        number = self.numbers[-1]
        if number:
            self.payments[number] -= 1
            self._match(self.known[number].text, 1)
            self.payments[0] += 1
            self.numbers[-1] = 0

    def _number(self, text: str) -> int:
        """The number of a fingerprint that is new; 0, of UNSAID, where there is no more room."""
        number = self._new(text)
        if not number:
            self._match(text, 1)
        return number

    def _new(self, text: str) -> int:
        if len(self._by_text) == MAX_FINGERPRINTS:
            return 0
        self._by_text[text] = number = len(self.known)
        self.known.append(Fingerprint(text))
        self.payments.append(0)
        return number

    def _match(self, text: str, payments: int) -> None:
        for table in self.matched:
            self.matched[table] += Fingerprint(text).records(table) * payments


class Fingerprints:
    """The fingerprint of every payment of a run that is over: four bytes for each payment."""

    def __init__(
        self,
        db: sqlite3.Connection,
        another: Callable[[], sqlite3.Connection] | None = None,
        read: Sequence[FingerprintRange] = (),
    ) -> None:
        """Index the records by payment before.

        `another` opens one more connection to the same database, from another thread: the payments
        of a long run are read in several parts at once, since SQLite works without Python's lock.
        `read`: all parts in their order, when other processes have read them.
        """
        self._db = db
        self._all = FingerprintRange()
        if read:
            for known in read:
                self._all.merge(known)
            return
        bounds: list[Bound] = [*bounds_of(db.execute)] if another is not None else []
        bounds.append(LAST)
        with ThreadPoolExecutor(_MAX_PARTS) as threads:
            parts = [
                threads.submit(_read, another, after, upto)
                for after, upto in pairwise(bounds)
                if another is not None
            ]
            self._all.read(db.execute, "", bounds[0])
            for part in parts:
                self._all.merge(part.result())

    def counts(self) -> Iterator[tuple[Fingerprint, int]]:
        """Every fingerprint that payments have, with their number."""
        for fingerprint, payments in zip(self._all.known, self._all.payments, strict=True):
            if payments:
                yield fingerprint, payments

    def payments(
        self, known_texts: Collection[str] = (), always: Collection[str] = ()
    ) -> Iterator[tuple[str, Fingerprint]]:
        """Every payment with its fingerprint, in the order of their ids.

        Without those whose fingerprint has a known text, but for some payments that come `always`.
        What is known may grow between two payments.
        """
        known = self._all.known
        unique = "DISTINCT " if self._all.has_repeats else ""
        payments = self._db.execute(f"SELECT {unique}payment {_CUSTOMERS}")
        for (payment,), number in zip(payments, self._all.numbers, strict=True):
            fingerprint = known[number]
            if fingerprint[0] not in known_texts or payment in always:
                yield payment, fingerprint

    @cached_property
    def strangers(self) -> list[str]:
        """Payments that only links know of: there is no record of their customer."""
        found: set[str] = set()
        for table, matched in self._all.matched.items():
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


def bounds_of(select: Select) -> Iterator[str]:
    """Payments that divide all of them into equal parts, one for each processor."""
    ((payments,),) = select("SELECT COUNT(*) FROM txn", ())
    parts = max(1, min(os.cpu_count() or 1, _MAX_PARTS, payments // PART))
    last = ""
    for part in range(1, parts):
        ((payment,),) = select(
            f"SELECT payment {_CUSTOMERS} LIMIT 1 OFFSET ?", (payments * part // parts,)
        )
        if payment > last:
            yield payment
        last = payment


def _read(another: Callable[[], sqlite3.Connection], after: Bound, upto: Bound) -> FingerprintRange:
    part = FingerprintRange()
    with closing(another()) as own:
        part.read(own.execute, after, upto)
    return part
