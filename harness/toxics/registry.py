"""All kinds of toxics: a new one is a module like noop.py and a line here."""

from __future__ import annotations

from functools import partial

from harness.payments.chance import draw
from harness.toxics.bandwidth import Bandwidth
from harness.toxics.blackhole import Blackhole
from harness.toxics.latency import Latency
from harness.toxics.limit_data import LimitData
from harness.toxics.noop import Noop
from harness.toxics.refuse import Refuse
from harness.toxics.reset_peer import ResetPeer
from harness.toxics.slicer import Slicer
from harness.toxics.slow_close import SlowClose
from harness.toxics.stage import Direction, Stage
from harness.toxics.timeout import Timeout
from harness.toxics.toxic import Toxic

TOXICS: dict[str, type[Stage]] = {
    "bandwidth": Bandwidth,
    "blackhole": Blackhole,  # extension
    "latency": Latency,
    "limit_data": LimitData,
    "noop": Noop,
    "refuse": Refuse,  # extension
    "reset_peer": ResetPeer,
    "slicer": Slicer,
    "slow_close": SlowClose,
    "timeout": Timeout,
}


def wrong_attributes(kind: str, given: dict[str, int]) -> str | None:
    """Why these attributes cannot work (they kill the real server), None when they can."""
    stage = TOXICS[kind]
    return stage.wrong({name: given.get(name, 0) for name, _ in stage.ATTRIBUTES})


def stage_for(
    toxic: Toxic, direction: Direction, seed: int, proxy: str, connection: int
) -> Stage:  # fmt: skip
    """A new stage of a toxic for one direction of a connection."""
    chance = partial(draw, seed, proxy, connection, toxic.name)
    return TOXICS[toxic.type](toxic, direction, chance)
