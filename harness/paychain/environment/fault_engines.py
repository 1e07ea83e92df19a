"""The fault engines of a real chain on this machine: the first, and further embedded ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

from paychain.analysis.store.facts import NO_ENGINE, EngineFacts
from paychain.engine import engine as engines
from paychain.engine.control import CALL_S
from paychain.engine.errors import EngineError
from paychain.engine.proxies import HERE, Proxies, further
from paychain.payments.journal import EngineEvent
from paychain.processes.children import Children
from paychain.processes.sessions import PATIENT_S
from paychain.processes.tokens import new_token

CHECK_S = 1.0  # between two signs of life of an engine


class FaultEngines:
    """Starts the engines, and watches them and those of other machines.

    `toxiproxy`: another engine than the embedded one. `is_open`: anybody on this machine may switch
    faults on the first engine. `port`: of its API, if it is the embedded one; 0: any.
    `is_patient`: no timeline waits for what an engine is asked.
    `proxies` has every hop of the chain, also those on the engines of other machines.
    """

    def __init__(
        self,
        children: Children,
        *,
        seed: int,
        epoch_ns: int,
        toxiproxy: str | None,
        is_open: bool,
        port: int,
        is_patient: bool,
    ) -> None:
        self._within_s = PATIENT_S if is_patient else CALL_S
        self.proxies = Proxies(self._within_s)
        self._children = children
        self._seed, self._epoch_ns = seed, epoch_ns
        self._toxiproxy, self._port = toxiproxy, port
        self._token = "" if is_open else new_token()
        self._first: engines.Engine | None = None
        self._further: list[engines.Engine] = []
        self._check_ns = 0  # when they are to be checked next

    @property
    def first(self) -> engines.Engine:
        """The run's own engine, once it is started."""
        assert self._first is not None, "not started"
        return self._first

    def start(self, exchanges: Path | None) -> engines.Engine:
        """Start the first engine, or attach to one that runs. Raises UserError.

        `exchanges`: the spool of what is seen on observed hops; None: no hop is observed.
        """
        observing = None if exchanges is None else engines.Observing(exchanges, self._epoch_ns)
        self._first = engines.start(
            self._toxiproxy,
            self._children,
            self._seed,
            observing,
            self._token,
            self._port,
            self._within_s,
        )
        self.proxies.add_engine(HERE, self._first.control, self._epoch_ns)
        return self._first

    def start_further(self, shares: Sequence[Collection[str]]) -> None:
        """Start one more embedded engine for each of these shares of the hops. Raises UserError."""
        for number, hops in enumerate(shares, start=2):
            engine = engines.further(
                number, self._children, self._seed, self._token, self._within_s
            )
            self._further.append(engine)
            self.proxies.add_engine(further(number), engine.control, self._epoch_ns)
            self.proxies.place(hops, further(number))

    def is_check_due(self, now_ns: int) -> bool:
        """Whether the last check was long enough ago for the next."""
        return now_ns >= self._check_ns

    def check(self, now_ns: int, keep: Callable[[list[EngineEvent]], None]) -> None:
        """Take what happened on the engines. Raises EngineError when one no longer answers."""
        self._check_ns = now_ns + int(CHECK_S * 1e9)
        self.proxies.check()
        self.proxies.take_events(keep)

    def take_last_events(self, keep: Callable[[list[EngineEvent]], None]) -> None:
        """Take what happened on the engines that still answer."""
        with suppress(EngineError):
            self.proxies.take_events(keep)

    def leave(self) -> list[str]:
        """Let go of the engines, before their processes are stopped.

        Sentences about what may be left on a server that somebody else runs.
        """
        for engine in self._further:
            engine.leave(())
        return self._first.leave(self.proxies.hops_on(HERE)) if self._first is not None else []

    def facts(self) -> EngineFacts:
        """What a result reports of the first."""
        engine = self._first
        return EngineFacts(engine.name, engine.version) if engine is not None else NO_ENGINE
