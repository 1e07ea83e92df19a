"""One own service as an application on the loop: started, killed by a crash, started again.

    import anew ─ lifespan: startup ─ listen ─┬─ kill, import anew (crash) ─┬─ lifespan: shutdown
                                              └─────────────────────────────┘

uvicorn reads and writes HTTP as in a real run; everything else of its process is left out.
"""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from paychain.analysis.store.facts import ServiceFacts
from paychain.environment.in_loop.output import Output, written_to
from paychain.environment.own.not_started import NotStarted
from paychain.environment.own.variables import Address, Addresses, variables
from paychain.faults.kind import StateFaultKind
from paychain.model.chain import Chain
from paychain.payments.errors import UserError
from paychain.processes.loopback import LOOPBACK
from paychain.services.context import WALL_EPOCH_NS
from paychain.simulation.guard import guards_installed
from paychain.simulation.users.captured import search_ahead
from paychain.simulation.users.libraries import Libraries, import_later_ones
from paychain.simulation.users.loop import LIFE, ProcessLife, UsersLoop
from paychain.simulation.users.modules import UserModules
from paychain.simulation.users.refusals import Refusals, short
from paychain.simulation.users.stand_in import UsersStandIn

SHUTDOWN_S = 10.0  # virtual: as long as a process has after SIGTERM
SHARED_MEMORY = "/dev/shm"  # noqa: S108  (a temporary folder is made in it)
EXPERIMENTAL = "in virtual time (experimental)"


class Application:
    """The application of one own service. `home`: the folder of the chain's file.

    Its code runs inside `running` only. Raises NotStarted, and NotInVirtualTime for what its code
    may not do.
    """

    def __init__(
        self, chain: Chain, name: str, home: Path, *, seed: int, loop: UsersLoop, port: int
    ) -> None:
        self.name = name
        service = chain.links[name].service
        assert service is not None, f"{name} is a mock"
        assert service.app is not None, f"{name} has no app"
        self.app = service.app
        self.port = port
        self._chain, self._seed, self._loop = chain, seed, loop
        self._modules = _modules(chain, name, home)
        self._refusals = Refusals(name, self._modules.is_users, loop.stop, loop.begun_at)
        self._stand_in = UsersStandIn(
            lambda: loop.now_ns, WALL_EPOCH_NS, f"{seed}/{name}", self._refusals
        )
        self._output = Output()
        self._libraries = Libraries(self._refusals.refuse)
        self._stored = tempfile.mkdtemp(prefix=f"paychain-{name}-", dir=_memory())
        self._environment: dict[str, str] = {}
        self._life = ProcessLife()
        self._lives: list[ProcessLife] = []
        self._server: asyncio.AbstractServer | None = None
        self._lifespan: Any = None
        self._state: Any = None
        self._starting: asyncio.Task[None] | None = None
        self._failure: UserError | None = None
        loop.refusals = self._refusals

    @contextmanager
    def reached_by_all(self) -> Iterator[None]:
        """Every module gets its clocks and chance from here. Inside, guards stay installed."""
        with self._stand_in.reached_by_all(), self._libraries.on_the_loop():
            yield

    @contextmanager
    def running(self) -> Iterator[None]:
        """Its surroundings are those of its process."""
        with (
            self._modules.present(self._environment),
            written_to(self._output),
            self._stand_in.answering(),
        ):
            yield

    @property
    def error(self) -> UserError | None:
        """Why the simulation makes no sense any more."""
        refused = self._refusals.first
        if refused is not None:
            return NotStarted(refused.what, where=refused.where, hint=refused.hint)
        return self._failure

    @property
    def facts(self) -> ServiceFacts:
        """What a result reports of it."""
        return ServiceFacts(name=self.name, form=f"{self.app}, {EXPERIMENTAL}", log="", failures=[])

    def last_lines(self) -> list[str]:
        """The end of what it has written."""
        return self._output.last_lines(os.environ)

    async def start(self, near: dict[str, Address], secrets: dict[str, str]) -> None:
        """Start it and wait until it listens. `near`: where its hop to each link begins.

        `secrets`: what webhooks are signed with, by the link that sends them.
        """
        addresses = Addresses((LOOPBACK, self.port), self._stored, near, secrets)
        self._environment = {
            "XDG_CONFIG_HOME": f"{self._stored}/.config",
            "OTEL_SDK_DISABLED": "true",  # it exports from a thread
            **variables(self._chain, self.name, addresses),
        }
        os.environ.update(self._environment)
        await self._begin()

    async def _begin(self) -> None:
        life = self._life = ProcessLife()
        self._lives.append(life)
        self._stand_in.begin(f"{len(self._lives)}, imports")
        _import_uvicorn(self.name)
        from uvicorn.config import Config
        from uvicorn.server import ServerState

        app = self._imported()
        self._libraries.replace()
        self._stand_in.begin(str(len(self._lives)))  # imports draw the first time only
        config = Config(
            self._in_life(app, life),
            http="httptools",
            ws="none",
            lifespan="auto",
            log_config=None,
            access_log=False,
            interface="asgi3",
            proxy_headers=False,
        )
        config.load()
        state = self._state = ServerState()
        state.default_headers = [(b"server", b"uvicorn")]
        lifespan = self._lifespan = config.lifespan_class(config)
        await lifespan.startup()
        if life.is_over:
            return
        if lifespan.should_exit:
            raise self._not_started("failed in its lifespan's startup")
        protocol: Any = config.http_protocol_class
        self._server = await self._loop.create_server(
            lambda: protocol(config=config, server_state=state, app_state=lifespan.state),
            LOOPBACK,
            self.port,
        )

    def _imported(self) -> Any:
        try:
            app = self._modules.load()
        except Exception as error:
            if self.error is not None:
                raise self.error from None
            where = _line_of(error, self._modules.is_users)
            message = f"{type(error).__name__}: {error}"
            raise NotStarted(
                f"{self.name} cannot import {self.app}: {message}", where=where
            ) from None
        if not callable(app):
            raise NotStarted(
                f"{self.name}: {self.app} is not an ASGI application: it cannot be called"
            )
        return app

    def _in_life(self, app: Any, life: ProcessLife) -> Callable[..., Coroutine[Any, Any, None]]:
        """The application, whose calls belong to a life."""

        async def called(scope: Any, receive: Any, send: Any) -> None:
            LIFE.set(life)
            if task := asyncio.current_task():
                life.holds(task)
            if life.is_over:  # killed before it had read the request
                await self._loop.create_future()
            try:
                await app(scope, receive, send)
            except SystemExit as left:
                what = f"{self.name} ended its process (exit code {left.code})"
                self._fail(NotStarted(what))
                raise RuntimeError(what) from None

        return called

    def _fail(self, error: UserError) -> None:
        self._failure = self._failure or error
        self._loop.stop()

    def _not_started(self, what: str) -> UserError:
        if self.error is not None:
            return self.error
        lines = "".join(f"\n    {line}" for line in self._output.last_lines(os.environ))
        ending = f"; its last lines:{lines}" if lines else "; it wrote nothing"
        return NotStarted(f"{self.name} {what}{ending}")

    async def stop(self) -> None:
        """Let it end as after SIGTERM, then drop whatever it still does."""
        if self._server is not None:
            self._server.close()
        if not self._life.is_over and self._lifespan is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._lifespan.shutdown(), SHUTDOWN_S)
        if self._starting is not None:
            self._starting.cancel()
        self._kill()
        self._modules.forget()

    def remove(self) -> None:
        """Remove what it stored, and what was left of its lives."""
        with written_to(self._output):
            for life in self._lives:
                life.tasks.clear()
            if len(self._lives) > 1:
                gc.collect()
        shutil.rmtree(self._stored, ignore_errors=True)

    def crash(self) -> None:
        """SIGKILL."""
        self._kill()
        self._modules.forget()

    def _kill(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._loop.end_life(self._life)
        for connection in list(self._state.connections) if self._state is not None else ():
            connection.transport.close_socket()

    def revive(self, *, forgets: bool) -> None:  # noqa: ARG002  (a new application has no memory)
        """Start again on the same port; what it stored in its folder is still there."""
        self._starting = self._loop.create_task(self._begin())
        self._starting.add_done_callback(self._started)

    def _started(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, UserError):
            self._fail(error)
        elif error is not None:
            self._fail(NotStarted(f"{self.name} did not start again: {error}"))

    def freeze(self) -> None:
        """Refused by the checks: one loop cannot freeze a single application."""
        raise AssertionError("a freeze of an application in virtual time is refused")

    def thaw(self) -> None:
        """It was never frozen."""

    def apply(self, fault: StateFaultKind, window: str) -> int:
        """No fault changes what a user's code knows."""
        raise AssertionError(f"{fault} does not act in an own service, nor does {window}")

    def heal(self, fault: StateFaultKind, window: str) -> None:
        """Nothing to heal: an application meets no such fault."""


def prepare(chain: Chain, home: Path) -> None:
    """Import what the applications of a chain need that is installed. Before anything is guarded.

    Raises NotStarted.
    """
    for name in chain.own_services():
        _import_uvicorn(name)
        _modules(chain, name, home).import_installed()
    import_later_ones()
    # SDKs tell their provider what they run on; finding it out takes a process, once.
    platform.platform()
    platform.processor()
    with guards_installed():
        search_ahead()


def _modules(chain: Chain, name: str, home: Path) -> UserModules:
    """Those of one own service. `home`: the folder of the chain's file."""
    service = chain.own_services()[name]
    assert service.app is not None, f"{name} has no app"
    folder = (home / Path(service.cwd).expanduser()).resolve()
    if not folder.is_dir():
        hint = "cwd: is relative to the chain's file"
        raise NotStarted(f"{name}: there is no folder {folder}", hint=hint)
    return UserModules(folder, service.app)


def _memory() -> str | None:
    """A folder in memory, where this system has one: no store has to survive a power cut here."""
    return SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None


def _import_uvicorn(name: str) -> None:
    try:
        import uvicorn.config
        import uvicorn.lifespan.on
        import uvicorn.protocols.http.httptools_impl
        import uvicorn.server  # noqa: F401  (imported before clocks are guarded)
    except ImportError as error:
        hint = "install it: pip install uvicorn"
        raise NotStarted(
            f"{name} is an app:, and {error.name} is not installed", hint=hint
        ) from None


def _line_of(error: Exception, is_users: Callable[[str], bool]) -> str:
    """The user's line that an error comes from: `shop/app.py:12`."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{short(error.filename)}:{error.lineno}"
    place, traceback = "", error.__traceback__
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if is_users(file):
            place = f"{short(file)}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place
