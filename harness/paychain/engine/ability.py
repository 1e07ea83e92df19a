"""What a fault engine supports: a fault that it does not is refused before anything starts."""

from __future__ import annotations

from typing import Literal

from paychain.declaration.text import Mistake
from paychain.faults.fault import Fault
from paychain.faults.kind import HopFaultKind, Limitation
from paychain.faults.toxic_spec import Unfit
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.loading import FileMistakes, Loaded

Kind = Literal["embedded", "toxiproxy"]
EMBEDDED = "embedded"
_EMBEDDED = "use the embedded engine (--toxiproxy embedded)"


def check_engine(kind: Kind, chain: Loaded[Chain], experiment: Loaded[Experiment]) -> None:
    """Whether a kind of engine supports an experiment on a chain, before anything starts.

    Raises UserError.
    """
    refuse_mixed(chain, kind)
    refuse_unsupported(experiment, kind)


def refuse_mixed(chain: Loaded[Chain], kind: Kind) -> None:
    """Raises FileMistakes when other machines have engines of another kind than the run's own.

    A Toxiproxy server does not report what it did. Beside engines that report it, its faults would
    count as faults without effect.
    """
    if kind == EMBEDDED:
        return
    mistakes = [
        Mistake(
            *chain.document.place(("hosts", name, "engine")),
            f"{name} cannot use the embedded fault engine in a run that uses a Toxiproxy server",
            _EMBEDDED,
        )
        for name, host in chain.model.hosts.items()
        if host.engine
    ]
    if mistakes:
        raise FileMistakes(str(chain.path), mistakes)


def refuse_unsupported(experiment: Loaded[Experiment], engine: Kind) -> None:
    """Raises FileMistakes that name every fault the engine does not support, with its place."""
    mistakes = []
    for fault in experiment.model.faults:
        reason = unsupported(fault, engine)
        if reason is not None:
            key = ("faults", fault.number, *fault.kind_path)
            mistakes.append(Mistake(*experiment.document.place(key), *reason))
    if mistakes:
        raise FileMistakes(str(experiment.path), mistakes)


def unsupported(fault: Fault, engine: Kind) -> Limitation | None:
    """Why an engine of this kind does not support a fault, and a hint; None when it does."""
    parameters = fault.parameters
    if not isinstance(parameters, HopFaultKind):
        return None
    try:
        toxics = parameters.toxics()
    except Unfit as error:
        return f"{fault.kind}: {error}", error.hint
    # The toxics themselves are imported for an experiment that has some.
    from paychain.toxics.registry import wrong_attributes

    for toxic in toxics:
        wrong = wrong_attributes(toxic.kind, toxic.attributes)
        if wrong is not None:
            return f"{fault.kind}: {wrong}", "write another value"
    if engine == EMBEDDED:
        return None
    if any(toxic.is_extension for toxic in toxics):
        return f"Toxiproxy does not support '{fault.kind}'{parameters.extent}", _EMBEDDED
    limitation = parameters.toxiproxy_limitation()
    if limitation is None:
        return None
    what, hint = limitation
    return what, f"{hint}, or {_EMBEDDED}"
