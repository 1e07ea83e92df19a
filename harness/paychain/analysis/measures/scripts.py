"""What became of failure scripts: how many requests each of their steps met."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from paychain.analysis.measures.measure import MeasuredRun, measure
from paychain.model.script_words import step_words
from paychain.model.scripts import Script


class StepRun(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a script.

    `hits`: requests or webhooks that it acted on; None for what a customer does, and where nobody
    counted.
    """

    id: str  # script-1/1
    text: str  # the step in words
    hits: int | None


class ScriptRun(msgspec.Struct, frozen=True, kw_only=True):
    """One failure script of the experiment, as it was followed."""

    id: str
    steps: list[StepRun]
    may_miss: bool = False

    @property
    def missed(self) -> list[StepRun]:
        """Steps that met no request."""
        return [step for step in self.steps if step.hits == 0]


@measure("scripts")
def scripts(run: MeasuredRun) -> list[ScriptRun]:
    """Every declared script with what each of its steps met."""
    return [_script_run(script, run.facts.fault_hits) for script in run.experiment.scripts]


def _script_run(script: Script, counted: dict[str, int] | None) -> ScriptRun:
    steps = [
        StepRun(
            id=name,
            text=step_words(step),
            hits=None if counted is None or step.customer is not None else counted.get(name, 0),
        )
        for name, step in zip(script.step_ids(), script.steps, strict=True)
    ]
    return ScriptRun(id=script.id, steps=steps, may_miss=script.may_miss)


def unmet_steps(scripts: Sequence[ScriptRun]) -> Iterator[str]:
    """Steps that met nothing although the experiment does not expect that, in sentences."""
    for script in scripts:
        for step in script.missed if not script.may_miss else ():
            yield (
                f"step {step.id} met no request ({step.text}): its effect was not exercised "
                "(may_miss: true on the script accepts that)"
            )


def unmet_notes(scripts: Sequence[ScriptRun]) -> list[str]:
    """What a reader must know although it does not decide the verdict."""
    return [
        f"step {step.id} met no request (may_miss)"
        for script in scripts
        if script.may_miss
        for step in script.missed
    ]
