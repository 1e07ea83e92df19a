"""What the engine says it did: its events, fetched while a run goes on."""

from __future__ import annotations

from typing import Any, Protocol

from harness.faults.control import EngineError
from harness.payments.journal import EngineEvent

MOST_PAGES = 100  # in one call: more than a full log of the embedded engine holds


class EventSource(Protocol):
    """An engine's log. None: it keeps none, as a real Toxiproxy server."""

    def events(self, after: int) -> dict[str, Any] | None:
        """A page of events after a number. Raises EngineError."""


class Evidence:
    """Follows an engine's event log. `epoch_ns` is the run's epoch on the clock of the events."""

    def __init__(self, source: EventSource, epoch_ns: int) -> None:
        self.dropped = 0  # events that the log had thrown away before they were asked for
        self._source = source
        self._epoch_ns = epoch_ns
        self._next = 0

    def poll(self) -> list[EngineEvent]:
        """Everything that came since the last call. Raises EngineError."""
        found: list[EngineEvent] = []
        for _ in range(MOST_PAGES):
            page = self._source.events(self._next)
            if page is None:
                break
            try:
                some = [self._record(event) for event in page["events"]]
                self.dropped += int(page["dropped"])
                self._next = int(page["next"])
            except (KeyError, TypeError, ValueError) as error:
                raise EngineError(
                    f"the engine's events are not what they should be: {error!r}"
                ) from error
            if not some:
                break
            found += some
        return found

    def _record(self, event: dict[str, Any]) -> EngineEvent:
        connection = event["connection"]
        return EngineEvent(
            int(event["seq"]), int(event["at_ns"]) - self._epoch_ns, str(event["kind"]),
            str(event["proxy"]), None if connection is None else int(connection),
            event["toxic"], str(event["detail"]),
        )  # fmt: skip
