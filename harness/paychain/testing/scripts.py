"""Failure scripts as a test writes them, as steps of an experiment file.

chain.pay(script=[{"link": "processor-a", "lost_answer": {}}])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from paychain.declaration.text import KeyPath
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.script_checks import check_steps
from paychain.model.scripts import Script
from paychain.model.sentence import sentence
from paychain.payments.errors import UserError

_LIST = "give a list, such as [{'link': 'processor-a', 'lost_answer': {}}]"
Steps = Sequence[Mapping[str, Any]]


def read_script(steps: Steps | Mapping[str, Any] | Script, chain: Chain, number: int) -> Script:
    """A script of steps as an experiment file writes them, of one that is written whole, or as it
    is.

    Raises UserError for a step that is none, or that the chain cannot have.
    """
    try:
        script = _script(steps)
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A misspelt key is also a missing one: its own name says more.
        detail = next((each for each in details if each["type"] != "missing"), details[0])
        at = detail["loc"]
        path: KeyPath = ("scripts", 0, *at)
        what, hint, _ = sentence(dict(detail), Experiment, path)
        place = next((f"step {each + 1}: " for each in at if isinstance(each, int)), "")
        raise UserError(f"script: {place}{what}", hint=hint) from None
    for problem in check_steps(script, 0, chain):
        nth = int(problem.path[3]) + 1  # scripts, 0, steps, its place
        raise UserError(f"script: step {nth}: {problem.what}", hint=problem.hint)
    return script.as_number(number)


def _is_step(written: Mapping[str, Any]) -> bool:
    """Whether it is a step of a script, and not a whole one."""
    return not written.keys() & Script.model_fields and bool(
        written.keys() & {"link", "webhook", "customer"}
    )


def _script(steps: Steps | Mapping[str, Any] | Script) -> Script:
    if isinstance(steps, Script):
        return steps
    if isinstance(steps, Mapping):
        if _is_step(steps):
            raise UserError("script: a step where a list of steps is expected", hint=_LIST)
        return Script.model_validate(dict(steps))
    written = [dict(step) if isinstance(step, Mapping) else step for step in steps]
    return Script.model_validate({"steps": written})
