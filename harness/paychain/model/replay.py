"""Recorded payments: a CSV file with a column of times, and what else is known of each payment.

Times are a column `at_s` (seconds since the start of the load) or a `timestamp` as systems export
it; `amount`, `merchant` and `scheme` are used where the file has them.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from paychain.declaration.quantity import brief, with_point
from paychain.declaration.reading import read_bounded
from paychain.payments.cards import SCHEMES
from paychain.payments.errors import UserError, meant
from paychain.payments.money import exponent, to_minor
from paychain.payments.whole_number import whole_number

MAX_BYTES = 100_000_000  # read whole
MAX_ARRIVALS = 2_000_000  # kept in memory, some 300 MB with all columns
DELIMITERS = ",;\t"
SECONDS = "at_s"
TIMESTAMPS = ("timestamp", "time", "datetime", "created_at", "created", "date")
SCHEME_COLUMNS = ("scheme", "card_scheme", "brand", "card_brand", "network")
# Names by which exports call a column with whole card numbers.
CARD_NUMBERS = ("pan", "card_number", "cardnumber", "card", "number")
MIN_CARD_DIGITS, MAX_CARD_DIGITS = 13, 19  # ISO/IEC 7812-1 identifiers of payment cards
MILLISECONDS_FROM = 100_000_000_000  # an epoch time above it counts milliseconds, not seconds
# Separated thousands, or a number with three decimals. Only currencies with these mean the latter.
_GROUPED = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")
_SPELLINGS = {"american express": "amex", "americanexpress": "amex", "master card": "mastercard"}


class ReplayedPayment(NamedTuple):
    """One recorded payment. What the file does not say is None or ""."""

    at_s: float  # since the start of the load
    amount: str | None  # as written, in the chain's currency
    amount_minor: int | None
    currency: str
    merchant: str
    scheme: str
    line: int

    def minor(self, currency: str) -> int | None:
        """The amount in minor units; raises ValueError when the currency has no such amount."""
        if self.currency and self.currency != currency:
            raise ValueError(f"{self.currency} in a chain that pays in {currency}")
        minor = self.amount_minor
        if self.amount is not None:
            minor = to_minor(self.amount, currency)
            if exponent(currency) < 3 and _GROUPED.fullmatch(self.amount):
                thousands = self.amount.replace(".", "")
                decimal = self.amount.rstrip("0").rstrip(".")
                raise ValueError(
                    f"'{self.amount}' may mean {thousands} or {decimal}; write it as one of them"
                )
        if minor is not None and minor <= 0:
            raise ValueError("the amount is not above zero")
        return minor


@dataclass(frozen=True)
class Replay:
    """A file of recorded payments, in the order of their times. `unused`: columns not looked at.

    `sha256`: the file's digest when it was read.
    """

    path: Path
    sha256: str
    payments: tuple[ReplayedPayment, ...]
    unused: tuple[str, ...]

    def amounts(self, currency: str) -> tuple[int, ...]:
        """Each payment's amount in minor units; empty when the file has none.

        Raises UserError with the line of the first that the currency does not have.
        """
        found = []
        for payment in self.payments:
            try:
                minor = payment.minor(currency)
            except ValueError as error:
                raise UserError(f"{self.path}:{payment.line}: {error}") from None
            if minor is not None:
                found.append(minor)
        return tuple(found)


def read_replay(path: Path) -> Replay:
    """The recorded payments. Raises UserError with the line of the first mistake."""
    try:
        data = read_bounded(path, MAX_BYTES)
        is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        encoding = "utf-16" if is_utf16 else "utf-8-sig"
        file = io.TextIOWrapper(io.BytesIO(data), encoding, newline="")
        header = file.readline()
        delimiter = max(DELIMITERS, key=header.count)
        file.seek(0)
        rows = csv.DictReader(file, delimiter=delimiter)
        names = [(name or "").strip().lower() for name in rows.fieldnames or ()]
        rows.fieldnames = names
        unused, payments = _read(path, names, rows)
        return Replay(path, hashlib.sha256(data).hexdigest(), payments, unused)
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror}",
            hint="a relative path begins at the experiment's folder",
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8", hint="save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise UserError(f"{path} is not a CSV file: {error}") from error


def _read(
    path: Path, names: Sequence[str], rows: csv.DictReader[str]
) -> tuple[tuple[str, ...], tuple[ReplayedPayment, ...]]:
    """The columns that are not used, and the payments."""
    times, seconds = _time_column(path, names)
    amount = _first(("amount",), names)
    minor = _first(("amount_minor",), names) if amount is None else None
    currency, merchant = _first(("currency",), names), _first(("merchant",), names)
    scheme = _first(SCHEME_COLUMNS, names)
    used = {times, amount, minor, currency, merchant, scheme}
    twice = next((name for name in used if name and names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"{path}:1: two columns '{twice}'", hint="keep one of them")
    unused = tuple(name for name in names if name and name not in used)
    payments: list[ReplayedPayment] = []
    for row in rows:
        line = rows.line_num
        if len(payments) == MAX_ARRIVALS:
            raise UserError(
                f"{path} has more than {MAX_ARRIVALS:,} arrivals", hint="replay a part of it"
            )
        _refuse_card_numbers(path, line, row)
        # Spreadsheets export rows that were cleared.
        if not any(text for _, text in _cells(row)):
            continue
        where = f"{path}:{line}"
        payments.append(
            ReplayedPayment(
                at_s=seconds(row.get(times), where),
                amount=_amount(_cell(row, amount), where),
                amount_minor=_whole(_cell(row, minor), where) if minor else None,
                currency=_cell(row, currency).upper(),
                merchant=_cell(row, merchant),
                scheme=_scheme(_cell(row, scheme), where),
                line=line,
            )
        )
    for column, has in (
        (amount or minor, lambda each: each.amount is None and each.amount_minor is None),
        (merchant, lambda each: not each.merchant),
        (scheme, lambda each: not each.scheme),
    ):
        _refuse_gaps(path, column, payments, has)
    if times != SECONDS and payments:
        first_s = min(payment.at_s for payment in payments)
        payments = [each._replace(at_s=each.at_s - first_s) for each in payments]
    return unused, tuple(sorted(payments, key=lambda payment: payment.at_s))


def _time_column(
    path: Path, names: Sequence[str]
) -> tuple[str, Callable[[str | None, str], float]]:
    if SECONDS in names:
        return SECONDS, _seconds
    found = _first(TIMESTAMPS, names)
    if found is None:
        raise UserError(
            f"{path}:1: no column '{SECONDS}'",
            hint=f"call the column with the times '{SECONDS}' (seconds since the start of the "
            f"load) or '{TIMESTAMPS[0]}' (a date with a time)",
        )
    return found, _timestamp


def _first(wanted: Iterable[str], names: Sequence[str]) -> str | None:
    return next((name for name in wanted if name in names), None)


def _cell(row: Mapping[str, str | None], column: str | None) -> str:
    return (row.get(column) or "").strip() if column is not None else ""


def _seconds(text: str | None, where: str) -> float:
    written = _with_point((text or "").strip(), where)
    try:
        value = float(written)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UserError(
            f"{where}: '{text}' is not a time in seconds", hint="write one such as 12.345"
        )
    return value


def _timestamp(text: str | None, where: str) -> float:
    """Seconds since the epoch of a date with a time (ISO 8601), or of an epoch time."""
    written = (text or "").strip()
    try:
        value = float(written)
    except ValueError:
        try:
            moment = datetime.fromisoformat(written)
            # Without a zone the zone does not matter: only the distances count.
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except ValueError:
            value = -1.0
    if not 0 <= value < float("inf"):
        raise UserError(
            f"{where}: '{text}' is not a timestamp",
            hint="write one such as 2026-11-27T18:00:00.250Z, or seconds since 1970",
        )
    return value / 1e3 if value >= MILLISECONDS_FROM else value


def _amount(text: str, where: str) -> str | None:
    return _with_point(text, where) or None


def _with_point(text: str, where: str) -> str:
    """A number with a decimal point: `1250.00` for `1,250.00`, `1.250,00` and `1250,00`."""
    readings = with_point(text)
    if len(readings) > 1:
        raise UserError(
            f"{where}: '{text}' may mean {' or '.join(readings)}", hint="write a decimal point"
        )
    return readings[0] if readings else text


def _whole(text: str, where: str) -> int | None:
    if not text:
        return None
    minor = whole_number(text)
    if minor is None:
        what = f"{where}: '{brief(text)}' is not an amount in minor units"
        raise UserError(what, hint="such as 1250")
    return minor


def _scheme(text: str, where: str) -> str:
    if not text:
        return ""
    name = _SPELLINGS.get(text.lower(), text.lower())
    if name not in SCHEMES:
        raise UserError(f"{where}: no test card of scheme '{text}'", hint=meant(name, SCHEMES))
    return name


def _refuse_card_numbers(path: Path, line: int, row: Mapping[str, str | None]) -> None:
    """No card number may reach a run: the file is copied beside its results (PCI DSS 3.4.1)."""
    for name, text in _cells(row):
        digits = text.replace(" ", "").replace("-", "")
        is_long = digits.isdecimal() and MIN_CARD_DIGITS <= len(digits) <= MAX_CARD_DIGITS
        # A number of that length under another name may be an epoch time or an order's number.
        if is_long and (name in CARD_NUMBERS or (_passes_luhn(digits) and len(digits) > 13)):
            raise UserError(
                f"{path}:{line}: column '{name}' holds what looks like a card number",
                hint="remove the column; a column 'scheme' chooses a published test card",
            )


def _cells(row: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    for name, text in row.items():
        # The reader keeps the cells beyond the header as a list, under None.
        for cell in text if isinstance(text, list) else [text or ""]:
            yield name or "", cell.strip()


def _passes_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _refuse_gaps(
    path: Path,
    column: str | None,
    payments: Sequence[ReplayedPayment],
    lacks: Callable[[ReplayedPayment], bool],
) -> None:
    """A column says something of every payment or of none."""
    if column is None:
        return
    gap = next((payment for payment in payments if lacks(payment)), None)
    if gap is not None:
        raise UserError(f"{path}:{gap.line}: no {column}", hint="fill it in, or remove the column")
