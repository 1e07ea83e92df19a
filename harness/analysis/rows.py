"""How records lie in run.db: names as numbers, one row per record, and back again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from harness.payments.journal import (
    Decision,
    DecisionKind,
    FaultSwitch,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
)
from harness.payments.outcome import HopResult, Outcome

# Columns hold numbers of the table `name` but for those that are unique to a row; `payment` holds
# numbers of the table `payment`. The views put the words back for whoever reads the file by hand.
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE name (code INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE payment (code INTEGER PRIMARY KEY, id TEXT NOT NULL);
CREATE TABLE txn (payment INTEGER, intended_ns INTEGER, started_ns INTEGER, ended_ns INTEGER,
  outcome INTEGER, technical INTEGER, code INTEGER, told INTEGER, amount_minor INTEGER,
  currency INTEGER, scheme INTEGER, card INTEGER, merchant INTEGER, decided_by INTEGER,
  error INTEGER, warm_up INTEGER);
CREATE TABLE hop (payment INTEGER, attempt INTEGER, span, parent, caller INTEGER,
  operation INTEGER, callee INTEGER, route INTEGER, try_number INTEGER, started_ns INTEGER,
  ended_ns INTEGER, result INTEGER, code INTEGER);
CREATE TABLE movement (link INTEGER, payment INTEGER, attempt INTEGER, kind INTEGER,
  amount_minor INTEGER, currency INTEGER, reference TEXT, at_ns INTEGER, decided_by INTEGER);
CREATE TABLE decision (link INTEGER, kind INTEGER, at_ns INTEGER, payment INTEGER,
  attempt INTEGER, operation INTEGER, target INTEGER, detail TEXT);
CREATE TABLE switch (fault TEXT, action TEXT, planned_ns INTEGER, effective_ns INTEGER,
  place TEXT, targets TEXT, error TEXT);
CREATE TABLE agg (second INTEGER, hop INTEGER, result INTEGER, route INTEGER, n INTEGER,
  histogram BLOB, PRIMARY KEY (second, hop, result, route)) WITHOUT ROWID;
CREATE VIEW payments AS SELECT p.id payment, o.text outcome, technical, c.text code, t.text told,
  amount_minor, u.text currency, d.text decided_by, intended_ns, ended_ns, warm_up
  FROM txn JOIN payment p ON p.code = txn.payment JOIN name o ON o.code = outcome
  JOIN name c ON c.code = txn.code JOIN name t ON t.code = told JOIN name u ON u.code = currency
  JOIN name d ON d.code = decided_by;
CREATE VIEW hops AS SELECT p.id payment, attempt, a.text caller, o.text operation, b.text callee,
  route, try_number, r.text result, c.text code, started_ns, ended_ns, span, parent
  FROM hop JOIN payment p ON p.code = hop.payment JOIN name a ON a.code = caller
  JOIN name o ON o.code = operation JOIN name b ON b.code = callee
  JOIN name r ON r.code = result JOIN name c ON c.code = hop.code;
CREATE VIEW movements AS SELECT l.text link, p.id payment, attempt, k.text kind, amount_minor,
  u.text currency, reference, at_ns, d.text decided_by
  FROM movement JOIN payment p ON p.code = movement.payment JOIN name l ON l.code = link
  JOIN name k ON k.code = kind JOIN name u ON u.code = currency
  JOIN name d ON d.code = decided_by;
CREATE VIEW decisions AS SELECT l.text link, k.text kind, at_ns, p.id payment, attempt,
  o.text operation, t.text target, detail
  FROM decision JOIN name l ON l.code = link JOIN name k ON k.code = kind
  JOIN payment p ON p.code = decision.payment JOIN name o ON o.code = operation
  JOIN name t ON t.code = target;
"""
_SPAN_DIGITS = 16
_SPAN_RANGE = 1 << 64  # spans are unsigned, SQLite's integers are signed

_OUTCOMES = {one.value: one for one in Outcome}
_RESULTS = {one.value: one for one in HopResult}
_MOVEMENTS = {one.value: one for one in MovementKind}
_DECISIONS = {one.value: one for one in DecisionKind}


class Codes:
    """The numbers of one table of texts; a new text gets the next number."""

    def __init__(self, connection: sqlite3.Connection, table: str, column: str) -> None:
        self._db = connection
        rows = connection.execute(f"SELECT code, {column} FROM {table}")  # noqa: S608
        self._texts = dict(rows.fetchall())
        self._codes = {text: code for code, text in self._texts.items()}
        self._new: list[tuple[int, str]] = []
        self._insert = f"INSERT INTO {table} VALUES (?, ?)"  # noqa: S608

    def code(self, text: str) -> int:
        """The number of a text, given now if it has none."""
        known = self._codes.get(text)
        if known is not None:
            return known
        text = str(text)  # an enum's member would keep its class in the map
        code = len(self._codes) + 1
        self._codes[text], self._texts[code] = code, text
        self._new.append((code, text))
        return code

    def find(self, text: str) -> int:
        """The number of a text, 0 (which no text has) when it has none."""
        return self._codes.get(text, 0)

    def text(self, code: int) -> str:
        """The text of a number."""
        return self._texts[code]

    def save(self) -> None:
        """Write the numbers given since the last call."""
        self._db.executemany(self._insert, self._new)
        self._new.clear()


class Rows:
    """Turns records into rows and rows into records."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.names = Codes(connection, "name", "text")
        self.payments = Codes(connection, "payment", "id")
        self.from_row: dict[type[Any], Callable[[tuple[Any, ...]], Any]] = {
            PaymentRecord: self.payment_record,
            HopRecord: self.hop_record,
            Movement: self.movement,
            Decision: self.decision,
            FaultSwitch: _switch,
        }

    def row(self, record: Any) -> tuple[Any, ...]:
        """The row of a record, in the order of its table's columns."""
        name, payment = self.names.code, self.payments.code
        match record:
            case HopRecord():
                return (
                    payment(record.payment), record.attempt, _span_code(record.span),
                    _span_code(record.parent), name(record.caller), name(record.operation),
                    name(record.callee), record.route, record.try_number, record.started_ns,
                    record.ended_ns, name(record.result), name(record.code),
                )  # fmt: skip
            case Movement():
                return (
                    name(record.link), payment(record.payment), record.attempt, name(record.kind),
                    record.amount_minor, name(record.currency), record.reference, record.at_ns,
                    name(record.decided_by),
                )  # fmt: skip
            case Decision():
                return (
                    name(record.link), name(record.kind), record.at_ns, payment(record.payment),
                    record.attempt, name(record.operation), name(record.target), record.detail,
                )  # fmt: skip
            case PaymentRecord():
                return (
                    payment(record.payment), record.intended_ns, record.started_ns,
                    record.ended_ns, name(record.outcome), record.technical, name(record.code),
                    name(record.told), record.amount_minor, name(record.currency),
                    name(record.scheme), name(record.card), name(record.merchant),
                    name(record.decided_by), name(record.error or ""), record.warm_up,
                )  # fmt: skip
            case FaultSwitch():
                return (
                    record.fault, record.action, record.planned_ns, record.effective_ns,
                    record.place, json.dumps(record.targets), record.error,
                )  # fmt: skip
        raise AssertionError(f"{record!r} is no record")

    def payment_record(self, row: tuple[Any, ...]) -> PaymentRecord:
        """A row of txn."""
        text = self.names.text
        error = text(row[14])
        return PaymentRecord(
            self.payments.text(row[0]), row[1], row[2], row[3], _OUTCOMES[text(row[4])],
            bool(row[5]), text(row[6]), text(row[7]), row[8], text(row[9]), text(row[10]),
            text(row[11]), text(row[12]), text(row[13]), _RESULTS[error] if error else None,
            bool(row[15]),
        )  # fmt: skip

    def hop_record(self, row: tuple[Any, ...]) -> HopRecord:
        """A row of hop."""
        text = self.names.text
        return HopRecord(
            self.payments.text(row[0]), row[1], _span_text(row[2]), _span_text(row[3]),
            text(row[4]), text(row[5]), text(row[6]), row[7], row[8], row[9], row[10],
            _RESULTS[text(row[11])], text(row[12]),
        )  # fmt: skip

    def movement(self, row: tuple[Any, ...]) -> Movement:
        """A row of movement."""
        text = self.names.text
        return Movement(
            text(row[0]), self.payments.text(row[1]), row[2], _MOVEMENTS[text(row[3])], row[4],
            text(row[5]), row[6], row[7], text(row[8]),
        )  # fmt: skip

    def decision(self, row: tuple[Any, ...]) -> Decision:
        """A row of decision."""
        text = self.names.text
        return Decision(
            text(row[0]), _DECISIONS[text(row[1])], row[2], self.payments.text(row[3]), row[4],
            text(row[5]), text(row[6]), row[7],
        )  # fmt: skip


def _switch(row: tuple[Any, ...]) -> FaultSwitch:
    return FaultSwitch(*row[:5], json.loads(row[5]), row[6])


def _span_code(span: str) -> int | str | None:
    """A span of 16 lower-case hex digits as a number, any other as it is, none as NULL."""
    if not span:
        return None
    try:
        number = int(span, 16)
    except ValueError:
        return span
    if len(span) != _SPAN_DIGITS or f"{number:016x}" != span:
        return span
    return number - _SPAN_RANGE if number >= _SPAN_RANGE >> 1 else number


def _span_text(code: int | str | None) -> str:
    if isinstance(code, int):
        return f"{code % _SPAN_RANGE:016x}"
    return code or ""
