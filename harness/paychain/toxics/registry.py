"""All kinds of toxics: a new kind is a module like noop.py and one line here."""

from __future__ import annotations

from functools import partial

from paychain.payments.chance import draw
from paychain.toxics.bandwidth import Bandwidth
from paychain.toxics.blackhole import Blackhole
from paychain.toxics.latency import Latency
from paychain.toxics.limit_data import LimitData
from paychain.toxics.noop import Noop
from paychain.toxics.refuse import Refuse
from paychain.toxics.reset_peer import ResetPeer
from paychain.toxics.slicer import Slicer
from paychain.toxics.slow_close import SlowClose
from paychain.toxics.stage import Direction, Stage
from paychain.toxics.timeout import Timeout
from paychain.toxics.toxic import Toxic

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
    """Why these attributes cannot work (they kill a Toxiproxy server), None when they can."""
    stage = TOXICS[kind]
    return stage.wrong({name: given.get(name, 0) for name, _ in stage.ATTRIBUTES})


def stage_for(toxic: Toxic, direction: Direction, seed: int, proxy: str, connection: int) -> Stage:
    """A new stage of a toxic for one direction of a connection, given by its number."""
    chance = partial(draw, seed, proxy, connection, toxic.name)
    return TOXICS[toxic.type](toxic, direction, chance)
