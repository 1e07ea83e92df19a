"""The proxies of every hop, each on one engine: the run's own, or that of another machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.faults.control import EngineControl, EngineError
from harness.faults.evidence import Evidence
from harness.payments.journal import EngineEvent

HERE = ""  # the run's own engine; any other is called as its machine


class Proxies:
    """Hops by name, whichever engine they are on. An EngineError says which one failed."""

    def __init__(self) -> None:
        self._engines: dict[str, EngineControl] = {}
        self._evidence: dict[str, Evidence] = {}
        self._on: dict[str, str] = {}  # by hop

    def add_engine(self, engine: str, control: EngineControl, epoch_ns: int) -> None:
        """Take an engine into use. `epoch_ns`: the run's epoch on the engine's clock."""
        self._engines[engine] = control
        self._evidence[engine] = Evidence(control, epoch_ns)

    def create(self, hop: str, upstream: str, host: str, on: str = HERE) -> str:
        """Make the proxy of a hop on a free port of `host`; returns its address."""
        with _of(on):
            address = self._engines[on].create(hop, upstream, host)
        self._on[hop] = on
        return address

    def enable(self, name: str, *, enabled: bool) -> None:
        """Start or stop a proxy."""
        with self._engine_of(name) as engine:
            engine.enable(name, enabled=enabled)

    def add_toxic(
        self, proxy: str, name: str, kind: str, stream: str, toxicity: float,
        attributes: dict[str, int],
    ) -> None:  # fmt: skip
        """Add a toxic to a proxy."""
        with self._engine_of(proxy) as engine:
            engine.add_toxic(proxy, name, kind, stream, toxicity, attributes)

    def remove_toxic(self, proxy: str, name: str) -> None:
        """Remove a toxic from a proxy."""
        with self._engine_of(proxy) as engine:
            engine.remove_toxic(proxy, name)

    def hops_on(self, engine: str) -> list[str]:
        """The hops whose proxies are on an engine."""
        return [hop for hop, on in self._on.items() if on == engine]

    def check(self) -> None:
        """A sign of life of every engine."""
        for name, control in self._engines.items():
            with _of(name, " no longer answers"):
                control.names()

    def take_events(self, keep: Callable[[list[EngineEvent]], None]) -> None:
        """What the engines did since the last call, engine by engine.

        Raises EngineError when one does not say, after those that do: theirs are told only once.
        """
        failure: EngineError | None = None
        for name, evidence in self._evidence.items():
            try:
                with _of(name, " no longer answers"):
                    events = evidence.poll()
            except EngineError as error:
                failure = failure or error
            else:
                keep(events)
        if failure is not None:
            raise failure

    @property
    def dropped(self) -> int:
        """Events that a log had thrown away before they were asked for."""
        return sum(one.dropped for one in self._evidence.values())

    def close(self) -> None:
        """Let go of the connections."""
        for control in self._engines.values():
            control.close()

    @contextmanager
    def _engine_of(self, hop: str) -> Iterator[EngineControl]:
        on = self._on[hop]
        with _of(on):
            yield self._engines[on]


@contextmanager
def _of(engine: str, what: str = "") -> Iterator[None]:
    """Say which engine failed."""
    try:
        yield
    except EngineError as error:
        who = "the fault engine" if engine == HERE else f"the fault engine of {engine}"
        raise EngineError(f"{who}{what}: {error}", error.status) from error
