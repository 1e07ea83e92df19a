"""A search that keeps to the waits of a real chain, in virtual time: only what it waits for counts.

An ASGI shop is the own service. How long a search takes there depends on no machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from paychain.environment.virtual import VirtualChain
from paychain.explore.live.result import LiveResult, LiveSpec
from paychain.explore.live.search import LiveSearch
from paychain.explore.live.steps import step_choices
from paychain.model.chain import Chain
from tests.support.async_shop import STRIPE, shop_in

START_S = 3.0  # of a chain with a service, about, where starting it takes time
SETTLES_S = 8.0  # as the examples declare it
# What makes the shop sound: it asks the same processor again, under the same key.
_SOUND = (
    ("charge(second, order)", "charge(first, order)"),
    ('{"idempotency_key": str(uuid4())}', '{"idempotency_key": order["order"]}'),
)


class _Waits(VirtualChain):
    """A chain in virtual time that is waited for as for a real one."""

    is_virtual = False
    look_every_s = 0.25


@dataclass
class Waited:
    """What a search came to. Seconds that it waited: until a rule was broken, and in all."""

    chain: Chain
    folder: Path
    found_s: float = float("nan")
    result: LiveResult = field(default_factory=LiveResult)
    _past_s: float = 0.0  # on chains before the one that runs
    _running: _Waits | None = None

    def open(self) -> VirtualChain:
        """The next chain."""
        self._past_s = self.clock() + START_S
        self._running = _Waits(self.chain, 1, home=self.folder)
        return self._running

    def clock(self) -> float:
        """Seconds that have passed on all chains."""
        return self._past_s + (self._running.now_ns() / 1e9 if self._running is not None else 0.0)

    def note(self, result: LiveResult) -> None:
        """See when the first rule was broken."""
        if result.found and self.found_s != self.found_s:
            self.found_s = result.took_s


def waited(folder: Path, spec: LiveSpec, *, is_sound: bool = False) -> Waited:
    """Search the shop, whose code is written into the folder that the process works in."""
    code = STRIPE
    for naive, sound in _SOUND if is_sound else ():
        assert naive in code
        code = code.replace(naive, sound)
    chain = shop_in(folder, code).model_copy(update={"settles_within": SETTLES_S})
    waited = Waited(chain, folder)
    waited.result = LiveSearch(
        chain,
        spec,
        waited.open,
        choices=step_choices(chain),
        on_progress=waited.note,
        clock=waited.clock,
    ).run()
    return waited
