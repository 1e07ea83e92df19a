"""What an engine can do: a fault it cannot is refused before anything starts."""

from __future__ import annotations

from harness.faults.choice import EMBEDDED, Kind, choose
from harness.faults.toxic_order import Unfit, orders_for
from harness.model.chain import Chain
from harness.model.experiment import Experiment
from harness.model.fault import Fault, Reset
from harness.model.loading import FileMistakes, Loaded
from harness.model.text import KeyPath, Mistake
from harness.toxics.registry import wrong_attributes

EXTENSIONS = frozenset({"refuse", "blackhole"})  # toxics that only the embedded engine has
# A real server answers nothing while a reset of its own counts down: longer looks like a wedge.
LONGEST_RESET_S = 1.0
_EMBEDDED = "use the embedded engine (--toxiproxy embedded)"


def check_engine(spec: str | None, chain: Loaded[Chain], experiment: Loaded[Experiment]) -> None:
    """Whether the engine that is asked for can run an experiment, before anything starts.

    Raises UserError.
    """
    kind = choose(spec).kind
    refuse_mixed(chain, kind)
    refuse_unable(experiment, kind)


def refuse_mixed(chain: Loaded[Chain], kind: Kind) -> None:
    """Raises FileMistakes when other machines have engines of another kind than the run's own.

    A real Toxiproxy server does not say what it did: beside engines that do, its faults would count
    as without effect.
    """
    if kind == EMBEDDED:
        return
    mistakes = [
        Mistake(
            *chain.document.place(("hosts", name, "engine")),
            f"{name} would have an embedded fault engine beside a Toxiproxy server", _EMBEDDED,
        )
        for name, one in chain.model.hosts.items()
        if one.engine
    ]  # fmt: skip
    if mistakes:
        raise FileMistakes(str(chain.path), mistakes)


def refuse_unable(experiment: Loaded[Experiment], kind: Kind) -> None:
    """Raises FileMistakes that name every fault the engine cannot do, with its place."""
    mistakes = []
    for number, fault in enumerate(experiment.model.faults):
        reason = unable(fault, kind)
        if reason is not None:
            line, column = experiment.document.place(_key(number, fault))
            mistakes.append(Mistake(line, column, *reason))
    if mistakes:
        raise FileMistakes(str(experiment.path), mistakes)


def unable(fault: Fault, kind: Kind) -> tuple[str, str] | None:
    """Why an engine of this kind cannot do a fault, and how to mend it; None when it can."""
    if fault.acts_in_link:
        return None
    parameters = fault.parameters
    try:
        orders = orders_for(parameters)
    except Unfit as error:
        return f"{fault.kind}: {error}", error.mend
    for order in orders:
        wrong = wrong_attributes(order.kind, order.attributes)
        if wrong is not None:
            return f"{fault.kind}: {wrong}", "write another value"
        if kind == "toxiproxy" and order.kind in EXTENSIONS:
            return f"a real Toxiproxy server cannot do {_in_short(fault)}", _EMBEDDED
    if kind == "toxiproxy" and isinstance(parameters, Reset) and parameters.after > LONGEST_RESET_S:
        what = f"a real Toxiproxy server stands still while a reset waits {parameters.after:g} s"
        return what, f"write at most {LONGEST_RESET_S:g}s, or {_EMBEDDED}"
    return None


def _in_short(fault: Fault) -> str:
    return f"{fault.kind} of new connections only" if fault.kind == "blackhole" else fault.kind


def _key(number: int, fault: Fault) -> KeyPath:
    inside: KeyPath = ("flapping", "fault") if fault.flapping is not None else ()
    return ("faults", number, *inside, fault.kind)
