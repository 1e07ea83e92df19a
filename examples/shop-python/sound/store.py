"""What the shop must not forget, in SQLite: orders, what was asked of whom, events it has seen."""

import sqlite3
import threading
import time
from contextlib import contextmanager

TABLES = """
create table if not exists orders (id text primary key, amount int, currency text, card text,
  state text default 'pending', code text default '', charged int default 0,
  paid_at text default '', capture_at text default '', capture_reference text default '',
  failures int default 0);
create table if not exists attempts (id text, provider text, state text, reference text default '',
  held_as text default '', is_refused int default 0, refusals int default 0,
  accepted_at real default 0, primary key (id, provider));
create table if not exists events (id text primary key);
"""


MAX_REFUSALS = 5  # of one cancel or capture: then a person has to look
REPORTED_WITHIN_S = 10  # a cancel that was accepted: later than that, nobody may have done it
STUCK = "stuck"  # a cancel that was sent for the last time, and is not known to be done


class Store:
    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.executescript("pragma journal_mode=wal; pragma synchronous=normal;" + TABLES)
        self._lock = threading.RLock()
        self._is_open = False  # a transaction

    @contextmanager
    def transaction(self):
        """What is written in it is written together: neither a crash nor a thread comes between."""
        with self._lock:
            if self._is_open:
                yield
                return
            self._is_open = True
            try:
                with self._db:
                    yield
            finally:
                self._is_open = False

    def _do(self, text: str, *values) -> int:
        with self.transaction():
            return self._db.execute(text, values).rowcount

    def _all(self, text: str, *values) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(text, values).fetchall()

    def begin(self, order: str, amount: int, currency: str, card: str) -> bool:
        """Whether this is the first request to pay the order."""
        values = (order, amount, currency, card)
        text = "insert or ignore into orders (id, amount, currency, card) values (?, ?, ?, ?)"
        return self._do(text, *values) == 1

    def order(self, order: str) -> sqlite3.Row | None:
        return next(iter(self._all("select * from orders where id = ?", order)), None)

    def attempt(self, order: str, provider: str, state: str, reference: str = "") -> None:
        text = (
            "insert into attempts (id, provider, state, reference) values (?, ?, ?, ?) on conflict "
            "(id, provider) do update set (state, reference) = (excluded.state, excluded.reference)"
        )
        self._do(text, order, provider, state, reference)

    def unresolved(self) -> list[tuple[str, str, str]]:
        return self._attempts_in("unknown")

    def to_give_back(self) -> list[tuple[str, str, str]]:
        """Captured, as a webhook says, although it was given up."""
        return self._attempts_in("captured")

    def _attempts_in(self, state: str) -> list[tuple[str, str, str]]:
        rows = self._all("select * from attempts where state = ?", state)
        return [(row["id"], row["provider"], row["reference"]) for row in rows]

    def resolved(self, order: str, provider: str, state: str, *, was: str = "unknown") -> None:
        """A cancel or refund was accepted, unless a webhook was quicker."""
        text = (
            "update attempts set state = ?, accepted_at = ? "
            "where id = ? and provider = ? and state = ?"
        )
        self._do(text, state, time.time(), order, provider, was)
        self._cancel_again(order, provider)

    def cancel_overdue(self) -> list[tuple[str, str, str]]:
        """A cancel was accepted, and no webhook says that it is done: it is to be sent again.

        Either none came, or it was refused and no webhook says that money is held: that one may be
        lost. Returns the cancels that were sent for the last time: a person has to look.
        """
        overdue = "where state = 'cancelling' and accepted_at < ?"
        again = (
            "update attempts set state = 'unknown', refusals = refusals + 1 - is_refused, "
            "is_refused = 0, reference = coalesce(nullif(held_as, ''), reference) "
            f"{overdue} and refusals < ?"
        )
        before = time.time() - REPORTED_WITHIN_S
        with self.transaction():
            self._do(again, before, MAX_REFUSALS)
            stuck = self._all(f"select * from attempts {overdue}", before)
            self._do(f"update attempts set state = ? {overdue}", STUCK, before)
        return [(row["id"], row["provider"], row["reference"]) for row in stuck]

    def held(self, order: str, provider: str, reference: str) -> None:
        """A webhook says that money is held: by this reference it can be captured or cancelled."""
        whose = "where id = ? and provider = ?"
        # Every cancel before was about what may never have been: now it has a name.
        late = "update attempts set refusals = 0, is_refused = is_refused or state = ?, "
        late += "state = case state when ? then 'cancelling' else state end "
        text = f"update attempts set held_as = ? {whose}"
        with self.transaction():
            self._do(f"{late} {whose} and held_as = ''", STUCK, STUCK, order, provider)
            self._do(text, reference, order, provider)
            self._name_as_held(order, provider)
            self._cancel_again(order, provider)

    def _name_as_held(self, order: str, provider: str) -> None:
        """Whichever comes first: the webhook is proved, the answer may be about another payment."""
        which = "where id = ? and provider = ? and held_as != ''"
        for row in self._all(f"select held_as from attempts {which}", order, provider):
            whose = "where id = ? and capture_at = ? and state = 'pending'"
            text = f"update orders set capture_reference = ? {whose}"
            self._do(text, row["held_as"], order, provider)
            text = f"update attempts set reference = held_as {which} and state = 'held'"
            self._do(text, order, provider)

    def cancelled(self, order: str, provider: str) -> None:
        """A webhook says that nothing is held any more."""
        text = (
            "update attempts set state = 'cancelled' "
            "where id = ? and provider = ? and state in ('cancelling', 'unknown', ?)"
        )
        self._do(text, order, provider, STUCK)

    def cancel_refused(self, order: str, provider: str) -> None:
        """A webhook says that a cancel was not done."""
        text = (
            "update attempts set is_refused = 1, refusals = refusals + 1 "
            "where id = ? and provider = ? and state in ('cancelling', 'unknown')"
        )
        self._do(text, order, provider)
        self._cancel_again(order, provider)

    def _cancel_again(self, order: str, provider: str) -> None:
        """Whichever webhook comes first: both together show that money is still held.

        A refusal alone may be about a payment that never was, or that was declined: it can wait.
        """
        text = (
            "update attempts set state = 'unknown', reference = held_as, is_refused = 0 "
            "where id = ? and provider = ? and state = 'cancelling' and held_as != '' "
            "and is_refused and refusals < ?"
        )
        self._do(text, order, provider, MAX_REFUSALS)

    def capture_from(self, order: str, provider: str, reference: str) -> None:
        """The amount is held there: it is to be captured, or cancelled."""
        text = "update orders set capture_at = ?, capture_reference = ? where id = ?"
        with self.transaction():
            self.attempt(order, provider, "held", reference)
            self._do(text, provider, reference, order)
            self._name_as_held(order, provider)

    def give_up(self, order: str, provider: str, reference: str) -> None:
        """A query says that nothing is held. What a webhook reported as paid meanwhile stays so."""
        with self.transaction():
            if self.finish(order, "refused", code="try_later"):
                self.attempt(order, provider, "unknown", reference)

    def captures_due(self) -> list[str]:
        text = "select id from orders where state = 'pending' and capture_at != ''"
        return [row["id"] for row in self._all(text)]

    def captured(self, reference: str, amount: int) -> None:
        """A webhook knows of a capture whose answer was lost, or which was denied when asked.

        Of an order that was refused, or paid elsewhere, meanwhile, the customer gets it back.
        """
        paid = (
            "update orders set state = 'paid', charged = ?, paid_at = capture_reference "
            "where capture_reference = ? and state = 'pending'"
        )
        kept = (
            "update attempts set state = 'captured', reference = ? "
            "where ? in (reference, held_as) and state in ('unknown', 'cancelled')"
        )
        with self.transaction():
            if not self._do(paid, amount, reference):
                self._do(kept, reference, reference)

    def capture_failed(self, reference: str) -> None:
        """A webhook says that a capture that was accepted was not done: the sweep asks again.

        The customer was told that the order is paid. In the end its hold is cancelled.
        """
        whose = "where capture_reference = ? and state in ('pending', 'paid')"
        again = f"update orders set state = 'pending', failures = failures + 1 {whose}"
        text = f"update orders set state = 'refused', code = 'capture_failed', charged = 0 {whose}"
        with self.transaction():
            if self._do(f"{again} and failures < ?", reference, MAX_REFUSALS):
                return
            if self._do(text, reference):
                held = "where state = 'held' and reference = ?"
                self._do(f"update attempts set state = 'unknown' {held}", reference)

    def finish(self, order: str, state: str, *, code="", charged=0, paid_at="", failures=None):
        """Whether the order was pending, and no more of its captures had failed than `failures`.

        The webhook that says so may be quicker than the answer to the capture.
        """
        text = (
            "update orders set state = ?, code = ?, charged = ?, paid_at = ? "
            "where id = ? and state = 'pending' and failures = coalesce(?, failures)"
        )
        return self._do(text, state, code, charged, paid_at, order, failures) == 1

    def knows_event(self, number: str) -> bool:
        return bool(self._all("select 1 from events where id = ?", number))

    def is_new_event(self, number: str) -> bool:
        return self._do("insert or ignore into events values (?)", number) == 1

    def recover(self) -> None:
        """After a crash: what was asked and not answered is unknown; its customers are gone."""
        self._do("update attempts set state = 'unknown' where state = 'asked'")
        self._do(
            "update orders set state = 'refused', code = 'try_later' "
            "where state = 'pending' and capture_at = ''"
        )
