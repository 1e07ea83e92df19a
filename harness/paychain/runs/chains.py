"""The chain that a run is made on: as processes on sockets, or in virtual time.

Another way to run a chain is another `RunningChain`, and a function like `_real` here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from paychain.engine.ability import check_engine, refuse_unsupported
from paychain.environment.running_chain import RunningChain
from paychain.model.reach import is_allowed
from paychain.model.virtual_services import experimental_note, refuse_processes
from paychain.model.waits import settles_within, unsettled
from paychain.payments.errors import UserError
from paychain.runs.spec import RunSpec

OnMessage = Callable[[str], None]
# Makes the chain, not started yet, with a run's folder to write in.
OpenChain = Callable[[Path, OnMessage], RunningChain]


def chain_of(spec: RunSpec) -> OpenChain:
    """The chain as the spec wants it.

    Raises UserError for what its fault engine cannot do, or where payments may not come from.
    """
    if spec.virtual:
        refuse_processes(spec.chain.model, "--virtual", spec.experiment.model)
        # All faults act in this process; a server outside it cannot follow virtual time.
        refuse_unsupported(spec.experiment, "embedded")
        return partial(_virtual, spec)
    from paychain.engine.choice import choose  # virtual time needs no HTTP clients

    check_engine(choose(spec.toxiproxy).kind, spec.chain, spec.experiment)
    if spec.spread is not None and not is_allowed(spec.spread.entry_host, spec.chain.model.allow):
        raise UserError(
            f"payments would come to {spec.spread.entry_host}, outside loopback",
            hint=f"allow it in {spec.chain.path.name}: allow: [{spec.spread.entry_host}]",
        )
    return partial(_real, spec)


def _virtual(spec: RunSpec, _folder: Path, on_message: OnMessage) -> RunningChain:
    from paychain.environment.simulated_run import interleaved  # a real run needs no simulation
    from paychain.environment.virtual import VirtualChain

    if note := experimental_note(spec.chain.model):
        on_message(note)
    home = spec.chain.path.parent
    return VirtualChain(spec.chain.model, spec.seed, home=home, **interleaved(spec.interleaving))


def _real(spec: RunSpec, folder: Path, on_message: OnMessage) -> RunningChain:
    from paychain.environment.real import RealChain

    declared, experiment = spec.chain.model, spec.experiment.model
    waits_short = unsettled(declared, experiment)
    if waits_short is not None:
        place = spec.chain.place(*waits_short.path)
        on_message(f"{place}: {waits_short.what}; {waits_short.hint}")
    scratch = folder / "spool"
    scratch.mkdir()
    return RealChain(
        spec.chain,
        scratch,
        seed=spec.seed,
        services=spec.services,
        toxiproxy=spec.toxiproxy,
        spread=spec.spread,
        processes=spec.processes or experiment.processes,
        settles_within_s=settles_within(declared, experiment),
        on_message=on_message,
    )
