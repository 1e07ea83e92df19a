"""The engine's own events, fetched during a run."""

from __future__ import annotations

from typing import Any, Protocol

from paychain.engine.errors import EngineError
from paychain.payments.journal import EngineEvent

MAX_PAGES = 100  # in one call: more than a full log of the embedded engine holds


class EventSource(Protocol):
    """An engine's log; a real Toxiproxy server has none."""

    def events(self, after: int) -> dict[str, Any] | None:
        """A page of events after a number; None without a log. Raises EngineError."""


class EngineEvents:
    """Follows an engine's event log. `epoch_ns` is the run's epoch on the clock of the events."""

    def __init__(self, source: EventSource, epoch_ns: int) -> None:
        self.dropped = 0  # events that the log lost before they were fetched
        self._source = source
        self._epoch_ns = epoch_ns
        self._next = 0

    def poll(self) -> list[EngineEvent]:
        """The events since the last call. Raises EngineError."""
        found: list[EngineEvent] = []
        for _ in range(MAX_PAGES):
            page = self._source.events(self._next)
            if page is None:
                break
            try:
                some = [self._record(event) for event in page["events"]]
                self.dropped += int(page["dropped"])
                self._next = int(page["next"])
            except (KeyError, TypeError, ValueError) as error:
                raise EngineError(f"the engine's events have an unknown form: {error!r}") from error
            if not some:
                break
            found += some
        return found

    def _record(self, event: dict[str, Any]) -> EngineEvent:
        connection = event["connection"]
        return EngineEvent(
            seq=int(event["seq"]),
            at_ns=int(event["at_ns"]) - self._epoch_ns,
            kind=str(event["kind"]),
            proxy=str(event["proxy"]),
            connection=None if connection is None else int(connection),
            toxic=event["toxic"],
            detail=str(event["detail"]),
        )
