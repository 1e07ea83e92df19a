"""Clocks and chance for a user's code in virtual time: the loop's time, and a seeded generator.

The user's code asks as it always does (`time.time()`, `datetime.now()`, `uuid4()`, `secrets`); the
guards ask here instead of the machine.
"""

from __future__ import annotations

import datetime
import random
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from paychain.simulation.forbidden import ForbiddenInSimulation
from paychain.simulation.guard import functions_replaced, standing_in
from paychain.simulation.users.captured import captured_replaced
from paychain.simulation.users.dates import dates_answered
from paychain.simulation.users.refusals import Refusals

_seed = random.Random.seed  # the real one, whatever guards are installed later
# What draws from Python's own generator, likewise: guards are no methods of it.
_DRAWS = tuple(name for name in random.__all__ if hasattr(getattr(random, name), "__self__"))
_datetime, _date = datetime.datetime, datetime.date
_localtime, _gmtime, _asctime, _strftime = (
    time.localtime,
    time.gmtime,
    time.asctime,
    time.strftime,
)
_WALL_CLOCKS = frozenset({getattr(time, "CLOCK_REALTIME", 0), getattr(time, "CLOCK_TAI", 11)})


class UsersStandIn:
    """Answers what a user's code asks of clocks and chance.

    `now_ns`: the loop's time. `wall_epoch_ns`: what time it was, since 1970, when that was 0.
    `seed` of all chance.
    """

    def __init__(
        self, now_ns: Callable[[], int], wall_epoch_ns: int, seed: str, refusals: Refusals
    ) -> None:
        self._now_ns, self._wall_epoch_ns = now_ns, wall_epoch_ns
        self._seed = self._all_seed = seed
        self._refusals = refusals
        self._chance = random.Random(seed)  # noqa: S311  (seeded: it has to repeat)
        self.functions: Mapping[str, Callable[..., Any]] = {
            **self._clocks(),
            **self._dates(),
            **self._chances(),
            # Signals come at no virtual time: a handler waits for ever, which does no harm.
            "signal.signal": lambda *_: signal.SIG_DFL,
        }

    def begin(self, life: str) -> None:
        """Draw from now on as a process of this name would, whatever was drawn before."""
        self._seed = f"{self._all_seed}/{life}"
        _seed(self._chance, self._seed)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Answer this thread, which is guarded."""
        with standing_in(self):
            yield

    @contextmanager
    def reached_by_all(self) -> Iterator[None]:
        """Also reach code that imported a function by name earlier: `from time import monotonic`.

        Inside, the guards stay installed.
        """
        with captured_replaced(functions_replaced()), dates_answered():
            yield

    def refusal(self, what: str, instead: str) -> ForbiddenInSimulation | None:
        """The error for what cannot be had; None for what draws on what is answered here."""
        # `secrets` and `uuid` take their chance from `os.urandom`, which is answered.
        if what.startswith(("secrets.", "uuid.")):
            return None
        return self._refusals.refuse(what, instead)

    def _wall_ns(self) -> int:
        return self._wall_epoch_ns + self._now_ns()

    def _wall_s(self) -> float:
        return self._wall_ns() / 1e9

    def _clocks(self) -> dict[str, Callable[..., Any]]:
        def seconds() -> float:
            return self._now_ns() / 1e9

        def strftime(form: str, *given: Any) -> str:
            return _strftime(form, *(given or (_localtime(self._wall_s()),)))

        counting = ("monotonic", "perf_counter", "process_time", "thread_time")
        return {
            **{f"time.{name}": seconds for name in counting},
            **{f"time.{name}_ns": self._now_ns for name in counting},
            "time.time": self._wall_s,
            "time.time_ns": self._wall_ns,
            "time.clock_gettime": lambda clock: self._clock_ns(clock) / 1e9,
            "time.clock_gettime_ns": self._clock_ns,
            "time.localtime": lambda *_: _localtime(self._wall_s()),
            "time.gmtime": lambda *_: _gmtime(self._wall_s()),
            "time.ctime": lambda *_: _asctime(_localtime(self._wall_s())),
            "time.asctime": lambda *_: _asctime(_localtime(self._wall_s())),
            "time.strftime": strftime,
        }

    def _clock_ns(self, clock: int) -> int:
        return self._wall_ns() if clock in _WALL_CLOCKS else self._now_ns()

    def _dates(self) -> dict[str, Callable[..., Any]]:
        def now(tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return _datetime.fromtimestamp(self._wall_s(), tz)

        def utcnow() -> datetime.datetime:
            return _datetime.fromtimestamp(self._wall_s(), datetime.UTC).replace(tzinfo=None)

        return {
            "datetime.datetime.now": now,
            "datetime.datetime.utcnow": utcnow,
            "datetime.datetime.today": now,
            "datetime.date.today": lambda: _date.fromtimestamp(self._wall_s()),
        }

    def _chances(self) -> dict[str, Callable[..., Any]]:
        chance = self._chance

        def seed(generator: random.Random, *_: Any, **__: Any) -> None:
            _seed(generator, chance.getrandbits(128))

        def urandom(size: int, *_: Any) -> bytes:
            return chance.randbytes(size)

        return {
            **{f"random.{name}": getattr(chance, name) for name in _DRAWS},
            "random.seed": lambda *given, **named: _seed(
                chance, *(given or (self._seed,)), **named
            ),
            "random.Random() without a seed": seed,
            "random.SystemRandom.random": lambda _: chance.random(),
            "random.SystemRandom.getrandbits": lambda _, bits: chance.getrandbits(bits),
            "random.SystemRandom.randbytes": lambda _, size: chance.randbytes(size),
            "os.urandom": urandom,
            "os.getrandom": urandom,
            "uuid.uuid1": lambda *_, **__: uuid.UUID(int=chance.getrandbits(128), version=1),
        }
