"""An experiment in virtual time, from start to stop, in one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import TypedDict

from paychain.environment.conductor import ExperimentProgress, RunObserver, conduct
from paychain.environment.in_loop.application import prepare
from paychain.environment.in_loop.forked import in_fork
from paychain.environment.kept_schedules import draw_ahead
from paychain.environment.virtual import HERE, VirtualChain
from paychain.load.traffic.planning import load_plan
from paychain.load.traffic.schedule import count
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.payments.journal import Record
from paychain.simulation.loop import Choose
from paychain.simulation.simulate import collecting_by_steps

WINDOW_S = 0.002  # what is due within it may happen in any order, where that is asked for


@dataclass(kw_only=True)
class PlayedExperiment(ExperimentProgress):
    """What one experiment left behind in virtual time, whole or as far as it came."""

    records: list[Record] = field(default_factory=list)
    ended_s: float = 0.0  # virtual seconds that it took
    offered: int | None = None  # payments that were started; None: the load did not end


class Interleaved(TypedDict):
    """How `play` is asked for an order of events."""

    choose: Choose | None
    window_s: float


def interleaved(number: int) -> Interleaved:
    """Another order of events that may happen next, for each number; 0 is the usual one."""
    if not number:
        return {"choose": None, "window_s": 0.0}
    return {"choose": Random(number).randrange, "window_s": WINDOW_S}  # noqa: S311  (seeded: it has to repeat)


def play(
    chain: Chain,
    experiment: Experiment,
    seed: int,
    *,
    home: Path = HERE,
    played: PlayedExperiment | None = None,
    choose: Choose | None = None,
    window_s: float = 0.0,
) -> PlayedExperiment:
    """Run an experiment on a chain in virtual time.

    `home`: the folder of the chain's file, where own services are found. `played` is filled as the
    run goes on. Raises the simulation's FAILURES: bugs, never an outcome; and UserError when an own
    service does what virtual time has no room for.
    """
    played = played if played is not None else PlayedExperiment()
    simulate = partial(
        _simulate, chain, experiment, seed, home=home, choose=choose, window_s=window_s
    )
    if not chain.own_services():
        simulate(played)
        return played
    prepare(chain, home)
    draw_ahead(load_plan(chain, experiment, seed))
    whole, error = in_fork(partial(_with_error, simulate))
    played.__dict__.update(whole.__dict__)
    if error is not None:
        raise error
    return played


def _with_error(
    simulate: Callable[[PlayedExperiment], None],
) -> tuple[PlayedExperiment, Exception | None]:
    """What came of a simulation, which is of interest even where an error ended it, and the error.

    A fork returns either a value or an error.
    """
    played = PlayedExperiment()
    try:
        simulate(played)
    except Exception as error:
        return played, error
    return played, None


def _simulate(
    chain: Chain,
    experiment: Experiment,
    seed: int,
    played: PlayedExperiment,
    *,
    home: Path,
    choose: Choose | None,
    window_s: float,
) -> None:
    plan = load_plan(chain, experiment, seed)
    played.planned = count(plan)
    with collecting_by_steps():
        running = VirtualChain(
            chain, seed, home=home, journal=played.records, choose=choose, window_s=window_s
        )
        try:
            running.start()
            conduct(running, chain, experiment, plan, played, RunObserver())
        finally:
            running.stop()
    played.ended_s = running.now_ns() / 1e9
    played.offered = running.report().offered
