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
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.payments.journal import Record
from paychain.simulation.loop import Choose
from paychain.simulation.simulate import collecting_by_steps

WINDOW_S = 0.002  # events due within it may happen in any order, if `choose` is given


@dataclass(kw_only=True)
class SimulatedRun(ExperimentProgress):
    """What an experiment in virtual time recorded, complete or up to an error."""

    records: list[Record] = field(default_factory=list)
    ended_s: float = 0.0  # its length in virtual seconds
    offered: int | None = None  # payments started; None: the load did not end


class Interleaved(TypedDict):
    """Keyword arguments of `simulate_run` that choose an order of events."""

    choose: Choose | None
    window_s: float


def interleaved(number: int) -> Interleaved:
    """Each number chooses another order of events due at the same time; 0 is the default."""
    if not number:
        return {"choose": None, "window_s": 0.0}
    return {"choose": Random(number).randrange, "window_s": WINDOW_S}  # noqa: S311  (seeded: it has to repeat)


def simulate_run(
    chain: Chain,
    experiment: Experiment,
    seed: int,
    *,
    home: Path = HERE,
    into: SimulatedRun | None = None,
    choose: Choose | None = None,
    window_s: float = 0.0,
) -> SimulatedRun:
    """Run an experiment on a chain in virtual time.

    `home`: the folder of the chain's file, where own services are found. `into` is filled as the
    run proceeds. Raises the simulation's FAILURES, which are bugs, and UserError if an
    own service does something that virtual time does not support.
    """
    simulated = into if into is not None else SimulatedRun()
    run = partial(_simulate, chain, experiment, seed, home=home, choose=choose, window_s=window_s)
    if not chain.own_services():
        run(simulated)
        return simulated
    # Own services share the interpreter with the simulation: a fork keeps their state out of it.
    prepare(chain, home)
    draw_ahead(load_plan(chain, experiment, seed))
    whole, error = in_fork(partial(_with_error, run))
    simulated.__dict__.update(whole.__dict__)
    if error is not None:
        raise error
    return simulated


def _with_error(
    run: Callable[[SimulatedRun], None],
) -> tuple[SimulatedRun, Exception | None]:
    """What a simulation recorded, also up to an error, and that error.

    Both, because a fork returns either a value or an error.
    """
    simulated = SimulatedRun()
    try:
        run(simulated)
    except Exception as error:
        return simulated, error
    return simulated, None


def _simulate(
    chain: Chain,
    experiment: Experiment,
    seed: int,
    simulated: SimulatedRun,
    *,
    home: Path,
    choose: Choose | None,
    window_s: float,
) -> None:
    plan = load_plan(chain, experiment, seed)
    with collecting_by_steps():
        running = VirtualChain(
            chain, seed, home=home, journal=simulated.records, choose=choose, window_s=window_s
        )
        try:
            running.start()
            conduct(running, chain, experiment, plan, simulated, RunObserver())
        finally:
            running.stop()
    simulated.ended_s = running.now_ns() / 1e9
    simulated.offered = running.report().offered
