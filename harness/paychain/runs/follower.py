"""Who follows a run: shows it, counts it for Prometheus, compares it with itself.

    begin ─> add, look, message … ─> check ─> close

A new follower is a `RunFollower` that overrides what it needs, given to `runs.run.run`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from paychain.payments.errors import sentence_of
from paychain.payments.journal import Record


class Look(NamedTuple):
    """How far a run has come. `load`: a few words about the load."""

    load_s: float  # since it began
    phase: str
    faults: Sequence[str]  # that are active
    load: str = ""


class RunFollower:
    """Is told what happens in a run. This one ignores it."""

    def begin(self, folder: Path) -> None:
        """The run has its folder."""

    def add(self, records: Iterable[Record]) -> None:
        """Records have come."""

    def look(self, look: Look) -> None:
        """The run has come to here: now and then during the load, in real time."""

    def message(self, text: str) -> None:
        """Something worth a line happened."""

    def check(self) -> list[str]:
        """Find out what is wrong with the run, in sentences. It may take minutes.

        Called once the chain has stopped, if nothing else is wrong.
        """
        return []

    def close(self) -> None:
        """Nothing more will come, whether the run has ended or could not begin."""


class Followers(RunFollower):
    """Those who follow one run. One that fails is told no more: that is a problem of the run.

    The run goes on without it, so that all of its records are kept. In the end all are closed.
    """

    def __init__(self, followers: Iterable[RunFollower]) -> None:
        self._followers = tuple(followers)
        self._told = list(self._followers)
        self.failures: list[str] = []  # why any of them is told no more

    def begin(self, folder: Path) -> None:
        """The run has its folder."""
        self._tell(lambda follower: follower.begin(folder))

    def add(self, records: Iterable[Record]) -> None:
        """Records have come."""
        self._tell(lambda follower: follower.add(records))

    def look(self, look: Look) -> None:
        """The run has come to here."""
        self._tell(lambda follower: follower.look(look))

    def message(self, text: str) -> None:
        """Something worth a line happened."""
        self._tell(lambda follower: follower.message(text))

    def check(self) -> list[str]:
        """Why any of them failed, and what the others find wrong."""
        found: list[str] = []
        self._tell(lambda follower: found.extend(follower.check()))
        return [*self.failures, *found]

    def close(self) -> None:
        """Nothing more will come. What fails here costs nothing."""
        for follower in self._followers:
            with suppress(Exception):
                follower.close()

    def _tell(self, what: Callable[[RunFollower], None]) -> None:
        for follower in tuple(self._told):
            try:
                what(follower)
            except Exception as error:
                self._told.remove(follower)
                self.failures.append(sentence_of(error))
