"""When what is switched: an experiment's faults on a chain, as an ordered list of switches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from paychain.faults.fault import Fault
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.places import Place, place_of

Action = Literal["apply", "heal"]


@dataclass(frozen=True, slots=True)
class Switch:
    """One change of one fault. `at_s` counts from the start of the fault timeline."""

    at_s: float
    fault: Fault
    action: Action
    place: Place


def compile_timeline(chain: Chain, experiment: Experiment) -> list[Switch]:
    """Every switch in the order it happens; at one moment heals come before applications."""
    switches = []
    for fault in experiment.faults:
        place = place_of(chain, fault)
        for start, end, shaped in fault.windows():
            switches.append(Switch(start, shaped, "apply", place))
            switches.append(Switch(end, shaped, "heal", place))
    return sorted(switches, key=lambda switch: (switch.at_s, switch.action == "apply"))


def switch_of(chain: Chain, fault: Fault, action: Action) -> Switch:
    """A switch of a fault that is done now, by hand."""
    return Switch(0.0, fault, action, place_of(chain, fault))
