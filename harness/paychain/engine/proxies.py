"""The proxies of every hop, each on one engine: one of the run's own, or another machine's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from paychain.engine.control import CALL_S, EngineControl, RequestReading
from paychain.engine.errors import EngineError
from paychain.engine.events import EngineEvents
from paychain.faults.toxic_spec import ToxicSpec
from paychain.payments.journal import EngineEvent

HERE = ""  # the run's own engine; the engine of another machine has the machine's name


def further(number: int) -> str:
    """What a further engine of the run is called. No machine has such a name."""
    return f"{HERE} {number}"


class Proxies:
    """Hops by name, on any engine. An EngineError names the engine that failed.

    `within_s`: how long a call of an engine may take.
    """

    def __init__(self, within_s: float = CALL_S) -> None:
        self._within_s = within_s
        self._engines: dict[str, EngineControl] = {}
        self._events: dict[str, EngineEvents] = {}
        self._on: dict[str, str] = {}  # by hop
        self._placed: dict[str, str] = {}  # of hops that are not made yet: their further engine

    def add_engine(self, engine: str, control: EngineControl, epoch_ns: int) -> None:
        """Use an engine. `epoch_ns`: the run's epoch on the engine's clock."""
        control.wait(self._within_s)
        self._engines[engine] = control
        self._events[engine] = EngineEvents(control, epoch_ns)

    def place(self, hops: Iterable[str], engine: str) -> None:
        """Make the proxies of these hops on a further engine of the run instead of its first."""
        self._placed |= dict.fromkeys(hops, engine)

    def create(
        self,
        hop: str,
        upstream: str,
        host: str,
        on: str = HERE,
        *,
        port: int = 0,
        observed: RequestReading | None = None,
    ) -> str:
        """Make the proxy of a hop on `host`, with port 0 on a free port; returns its address.

        `observed`: the requests over it are read.
        """
        if on == HERE:
            on = self._placed.get(hop, HERE)
        with _of(on):
            address = self._engines[on].create(hop, upstream, host, port=port, observed=observed)
        self._on[hop] = on
        return address

    def enable(self, name: str, *, enabled: bool) -> None:
        """Start or stop a proxy."""
        with self._engine_of(name) as engine:
            engine.enable(name, enabled=enabled)

    def add_toxic(self, proxy: str, name: str, toxic: ToxicSpec, toxicity: float) -> None:
        """Add a toxic to a proxy; `toxicity`: on which share of the connections, from 0 to 1."""
        with self._engine_of(proxy) as engine:
            engine.add_toxic(proxy, name, toxic, toxicity)

    def remove_toxic(self, proxy: str, name: str) -> None:
        """Remove a toxic from a proxy."""
        with self._engine_of(proxy) as engine:
            engine.remove_toxic(proxy, name)

    def hops_on(self, engine: str) -> list[str]:
        """The hops whose proxies are on an engine."""
        return [hop for hop, on in self._on.items() if on == engine]

    def check(self) -> None:
        """Raises EngineError when an engine no longer answers."""
        for name, control in self._engines.items():
            with _of(name, " no longer answers"):
                control.names()

    def take_events(self, keep: Callable[[list[EngineEvent]], None]) -> None:
        """Hand over the engines' events since the last call, engine by engine.

        Raises EngineError when an engine does not answer, but after all others: an engine reports
        each event only once.
        """
        failure: EngineError | None = None
        for name, engine in self._events.items():
            try:
                with _of(name, " no longer answers"):
                    events = engine.poll()
            except EngineError as error:
                failure = failure or error
            else:
                keep(events)
        if failure is not None:
            raise failure

    @property
    def dropped(self) -> int:
        """Events that an engine's log dropped before they were fetched."""
        return sum(events.dropped for events in self._events.values())

    def close(self) -> None:
        """Close the connections."""
        for control in self._engines.values():
            control.close()

    @contextmanager
    def _engine_of(self, hop: str) -> Iterator[EngineControl]:
        on = self._on[hop]
        with _of(on):
            yield self._engines[on]


@contextmanager
def _of(engine: str, what: str = "") -> Iterator[None]:
    """Name the engine in an EngineError."""
    try:
        yield
    except EngineError as error:
        is_ours = engine.startswith(" ") or engine == HERE
        who = f"the fault engine{engine}" if is_ours else f"the fault engine of {engine}"
        raise EngineError(f"{who}{what}: {error}", error.status) from error
