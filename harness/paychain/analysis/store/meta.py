"""What run.db says of its run beside its records: one value by name, as JSON."""

from __future__ import annotations

import json
import sqlite3
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from paychain.analysis.store.connection import Database
from paychain.analysis.store.facts import RunFacts, Started
from paychain.model.experiment import Times
from paychain.payments.errors import UserError

FACTS, KEPT_ONE_IN, STARTED, TIMES = "facts", "kept_one_in", "started", "times"
RECORDED = "recorded"  # the last row of each table that the run itself wrote


class Meta(ABC):
    """The table `meta` of a run's database. Every method may raise sqlite3.Error."""

    @property
    @abstractmethod
    def _db(self) -> sqlite3.Connection:
        """The database."""

    @property
    def path(self) -> Path | None:
        """The file; None when the store is in memory."""
        ((path,),) = self._db.execute("SELECT file FROM pragma_database_list WHERE name = 'main'")
        return Path(path) if path else None

    @property
    def folder(self) -> Path | None:
        """The run directory; None when the store is not in a file."""
        return self.path.parent if self.path is not None else None

    def reading(self, path: Path) -> AbstractContextManager[BinaryIO]:
        """A file of the run directory, opened to be read, also run.db itself. Raises OSError."""
        database, own = self._db, self.path
        if own is None or not path.name.startswith(own.name):
            return path.open("rb")
        assert isinstance(database, Database)
        return nullcontext(database.read_file(path))

    def write_facts(self, facts: RunFacts) -> None:
        """Keep what the run knows of itself."""
        self._write_fact(FACTS, msgspec.to_builtins(facts))

    def facts(self) -> RunFacts:
        """What the run knows of itself. Raises UserError when it did not finish."""
        facts = self._fact(FACTS)
        if facts is None:
            hint = f"paychain judge {self.folder} shows how far it got"
            raise UserError(f"{self.path} belongs to a run that did not finish", hint=hint)
        return msgspec.convert(facts, RunFacts)

    @property
    def has_facts(self) -> bool:
        """Whether the run came to its end."""
        return self._fact(FACTS) is not None

    def write_started(self, started: Started) -> None:
        """Keep what is known of the run before it begins."""
        self._write_fact(STARTED, msgspec.to_builtins(started))

    def started(self) -> Started:
        """What was known of the run before it began. Raises UserError when nothing was kept."""
        started = self._fact(STARTED)
        if started is None:
            raise UserError(
                f"{self.path} does not record which files were run", hint="run it again"
            )
        return msgspec.convert(started, Started)

    def times(self) -> Times | None:
        """When the load was to begin and to end; None when it did not begin."""
        times = self._fact(TIMES)
        return msgspec.convert(times, Times) if times is not None else None

    @property
    def start_ns(self) -> int:
        """When the seconds of all totals began: with the load."""
        times = self.times()
        return int(times.load_start_s * 1e9) if times is not None else 0

    @property
    def kept_one_in(self) -> int:
        """Of unremarkable payments, how many each kept one stands for."""
        return int(self._fact(KEPT_ONE_IN) or 1)

    def _write_fact(self, key: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))
        self._db.commit()

    def _fact(self, key: str) -> Any:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row is not None else None
