"""The deterministic loop for a user's code: it may be killed, and what it may not use is refused.

Everything that the user's code begins is of one life, which its context knows. When a life ends,
nothing of it goes on: no callback, no timer, no `finally`. That is what SIGKILL does.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from paychain.simulation.forbidden import FORBIDDEN
from paychain.simulation.loop import VirtualLoop
from paychain.simulation.network import LOCAL_HOSTS
from paychain.simulation.transport import ConnectionEnd
from paychain.simulation.users.apart import apart
from paychain.simulation.users.refusals import Refusals


class ProcessLife:
    """One life of the process that a user's code would be."""

    def __init__(self) -> None:
        self.is_over = False
        self.ends: list[ConnectionEnd] = []  # of connections that it has made
        # Every task of it that has not ended, and the user's line that began it, `shop.py:41`. Kept
        # while it is over, too: a task that nobody holds would be closed, and run its `finally`.
        self.tasks: dict[asyncio.Task[Any], str] = {}

    def holds(self, task: asyncio.Task[Any], begun_at: str = "") -> None:
        """A task is of this life."""
        self.tasks[task] = begun_at
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.tasks.pop(task, None)


LIFE: ContextVar[ProcessLife | None] = ContextVar("life", default=None)


class UsersLoop(VirtualLoop):
    """A loop on which a user's code runs beside ours. `refusals` is set once there are some."""

    refusals: Refusals | None = None

    def end_life(self, life: ProcessLife) -> None:
        """Kill it: nothing that it has begun goes on, and its connections are closed."""
        life.is_over = True
        for handle in [*self._ready, *(entry[2] for entry in self._timers)]:
            context = handle._context
            if context is not None and context.get(LIFE) is life:
                handle.cancel()
        for end in life.ends:
            end.close_socket()

    def call_soon(  # type: ignore[override]  # typeshed ties args by type
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """Run a callback after those that are ready, unless its life is over."""
        handle = super().call_soon(callback, *args, context=context)
        life = LIFE.get() if context is None else context.get(LIFE)
        if life is not None and life.is_over:
            handle.cancel()
        return handle

    def create_task(self, coro: Any, **keywords: Any) -> asyncio.Task[Any]:
        """Run a coroutine. Its life remembers the user's line that began it."""
        task = super().create_task(coro, **keywords)
        life = LIFE.get()
        if life is not None and self.refusals is not None:
            life.holds(task, self.refusals.place_here() or self.begun_at())
        return task

    def begun_at(self) -> str:
        """The user's line that began the task that runs; "" when nobody knows."""
        life, task = LIFE.get(), asyncio.current_task(self)
        return life.tasks.get(task, "") if life is not None and task is not None else ""

    def run_in_executor(  # type: ignore[override]  # typeshed ties args by type
        self, _executor: Any, work: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Do the work on the loop in the next round: virtual time stands still meanwhile.

        That is right for whatever computes. What would wait in real time is refused by itself.
        """

        async def on_the_loop() -> Any:
            return apart(work, *args)

        return self.create_task(on_the_loop())

    def call_soon_threadsafe(  # type: ignore[override]  # typeshed ties args by type
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """There is one thread."""
        return self.call_soon(callback, *args, context=context)

    def add_signal_handler(  # type: ignore[override]  # typeshed ties args by type
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        """Signals come at no virtual time: the handler is never called."""

    def remove_signal_handler(self, sig: int) -> bool:  # noqa: ARG002  (a parameter of asyncio's)
        """There is none."""
        return False

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        """Loopback is known; any other name is refused."""
        name = host.decode() if isinstance(host, bytes) else host
        if name not in LOCAL_HOSTS:
            self._refuse(f"host {name}", "there is loopback only")
        address = ("127.0.0.1", int(port or 0))
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)]

    async def create_connection(self, *args: Any, **keywords: Any) -> Any:
        """Connect in memory. A user's code reaches the chain's links only, without TLS."""
        life = LIFE.get()
        if life is None:
            return await super().create_connection(*args, **keywords)
        host = args[1] if len(args) > 1 else keywords.get("host")
        port = args[2] if len(args) > 2 else keywords.get("port")
        if keywords.get("sock") is not None:
            self._refuse("a socket of its own", "give host and port")
        if keywords.get("ssl") is not None:
            self._refuse("TLS", "the simulated network is plain")
        if host not in LOCAL_HOSTS:
            self._refuse(f"host {host}", "there is loopback only")
        if not self.network.knows(host, int(port or 0)):
            self._refuse(f"connection to {host}:{port}", "no link listens there")
        made, protocol = await super().create_connection(*args, **keywords)
        life.ends.append(made)
        return made, protocol

    def _refuse(self, what: str, instead: str) -> None:
        if self.refusals is not None and (refusal := self.refusals.refuse(what, instead)):
            raise refusal


def _refusing(name: str, instead: str) -> Callable[..., Any]:
    def method(self: UsersLoop, *_: Any, **__: Any) -> Any:
        self._refuse(f"loop.{name}", instead)
        raise AssertionError("it is refused")

    return method


for _name, _instead in FORBIDDEN.items():
    if _name not in vars(UsersLoop):
        setattr(UsersLoop, _name, _refusing(_name, _instead))
