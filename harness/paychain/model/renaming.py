"""An experiment for any chain: its names of providers and links become the chain's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from paychain.faults.fault import Fault
from paychain.faults.target import Target
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.scripts import Script
from paychain.payments.errors import MAX_NAMED, UserError, either, meant

Names = Mapping[str, str]  # a name of the experiment -> a provider or link of the chain


def read_names(written: Sequence[str]) -> dict[str, str]:
    """The names in `--map THEIRS=OURS` options. Raises UserError."""
    found: dict[str, str] = {}
    for each in written:
        theirs, _, ours = (part.strip() for part in each.partition("="))
        if not theirs or not ours:
            raise UserError(f"--map '{each}' maps nothing", hint="write --map cloud-a=my-cloud")
        if theirs in found:
            raise UserError(f"--map '{theirs}' is given twice", hint="keep one")
        found[theirs] = ours
    return found


def renamed(experiment: Experiment, names: Names, chain: Chain | None) -> Experiment:
    """The experiment with the chain's names. Raises UserError for a name that it does not use.

    A provider may become a link where the chain has no such provider.
    """
    if not names:
        return experiment
    known = list(dict.fromkeys(_named(experiment)))
    for theirs in names:
        if theirs not in known:
            raise UserError(
                f"--map: the experiment names no provider or link '{theirs}'",
                hint=meant(theirs, known),
            )
    faults = [_fault(fault, names, chain) for fault in experiment.faults]
    scripts = [_script(script, names) for script in experiment.scripts]
    return experiment.model_copy(update={"faults": faults, "scripts": scripts})


def used_of(names: Names, experiment: Experiment) -> Names:
    """The names that an experiment uses, of those that several experiments share."""
    known = set(_named(experiment))
    return {theirs: ours for theirs, ours in names.items() if theirs in known}


def map_hint(name: str, known: Iterable[str], others: Iterable[str] = ()) -> str:
    """How to use an experiment that names what the chain has not: what `name` can be mapped to."""
    close = meant(name, known)
    if close.startswith("did you mean"):
        return close
    names = [*known, *others][:MAX_NAMED]
    return f"map it to one of the chain's own: --map {name}=NAME, where NAME is {either(names)}"


def _named(experiment: Experiment) -> Iterable[str]:
    """Every provider and link that the experiment's targets and scripts name."""
    for fault in experiment.faults:
        for target in fault.every_target:
            yield from (name for name in (target.provider, target.link) if name is not None)
            if target.hop is not None:
                yield from (part.strip() for part in target.hop.split("->"))
            if target.call is not None:
                yield target.call.partition(".")[0]
    for script in experiment.scripts:
        for step in script.steps:
            yield from (name for name in (step.link, step.webhook) if name is not None)


def _fault(fault: Fault, names: Names, chain: Chain | None) -> Fault:
    alone = None if fault.target is None else _target(fault.target, names, chain)
    several: list[Target] = []
    for number, target in enumerate(fault.targets):
        ours = _target(target, names, chain)
        # Two providers of the outage may be one and the same in this chain. What the file itself
        # names twice stays a mistake.
        if ours not in several or target in fault.targets[:number]:
            several.append(ours)
    return fault.model_copy(update={"target": alone, "targets": several})


def _script(script: Script, names: Names) -> Script:
    steps = [
        step.model_copy(
            update={
                key: names.get(name, name)
                for key, name in (("link", step.link), ("webhook", step.webhook))
                if name is not None
            }
        )
        for step in script.steps
    ]
    return script.model_copy(update={"steps": steps})


def _target(target: Target, names: Names, chain: Chain | None) -> Target:
    if target.provider is not None:
        ours = names.get(target.provider, target.provider)
        is_link = chain is not None and ours not in chain.providers and ours in chain.links
        return Target(link=ours) if is_link else Target(provider=ours)
    if target.link is not None:
        return Target(link=names.get(target.link, target.link))
    if target.hop is not None:
        ends = [part.strip() for part in target.hop.split("->")]
        return Target(hop=" -> ".join(names.get(end, end) for end in ends))
    if target.call is not None:
        caller, _, operation = target.call.partition(".")
        return Target(call=f"{names.get(caller, caller)}.{operation}")
    return target
