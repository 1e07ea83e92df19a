"""Every fallback step: a new one is a module like skip.py and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import BeforeValidator, Discriminator, Tag, ValidationError

from paychain.declaration.quantity import brief
from paychain.model.fallbacks.decline import DeclineWith
from paychain.model.fallbacks.default import Default
from paychain.model.fallbacks.exempt import Exempt
from paychain.model.fallbacks.failover import FailoverTo
from paychain.model.fallbacks.last_known import LastKnown
from paychain.model.fallbacks.queue import Queue
from paychain.model.fallbacks.skip import Skip
from paychain.model.fallbacks.split import Split
from paychain.model.fallbacks.stand_in import StandIn
from paychain.model.fallbacks.step import Step
from paychain.payments.errors import meant

# By the key that a file gives a step by.
STEPS: dict[str, type[Step]] = {
    "to": FailoverTo,
    "split": Split,
    "skip": Skip,
    "exempt": Exempt,
    "last_known": LastKnown,
    "default": Default,
    "stand_in": StandIn,
    "queue": Queue,
    "decline": DeclineWith,
}


def key_of(step: Step) -> str:
    """The key that a file gives a step by."""
    return next(key for key, kind in STEPS.items() if isinstance(step, kind))


def _tag(value: Any) -> str | None:
    """Which step a value is, read from a file or built already."""
    if isinstance(value, dict):
        return next((key for key in STEPS if key in value), None)
    return key_of(value) if isinstance(value, Step) else None


def _single(value: Any) -> Any:
    """Refuse what is not exactly one step: the union's own message names them all."""
    if isinstance(value, Step):
        return value
    if not isinstance(value, dict):
        raise ValueError(f"a fallback must be a mapping; {_as_mapping(value)}")
    keys = [key for key in STEPS if key in value]
    if len(keys) > 1:
        raise ValueError(f"two steps in one: {', '.join(keys)}; give each its own")
    if not keys:
        name = next(iter(value), "")
        raise ValueError(f"unknown fallback '{name}'; {meant(str(name), STEPS)}")
    return value


def _as_mapping(value: Any) -> str:
    """How to write a step that is not a mapping: as the step of that name, or as that link."""
    if not isinstance(value, str):
        return f"its key is one of: {', '.join(STEPS)}"
    if value not in STEPS:
        return f"write {{to: {brief(value)}}} for a link of that name"
    try:
        STEPS[value].model_validate({value: {}})
    except ValidationError:
        return f"write {{{value}: …}}"
    return f"write {{{value}: {{}}}}"


if TYPE_CHECKING:
    Fallback = Step
else:
    # A union of the registry's steps, so that a new one is known without a name here.
    Fallback = Annotated[
        Union[tuple(Annotated[step, Tag(key)] for key, step in STEPS.items())],  # noqa: UP007  (made of a list)
        Discriminator(_tag),
        BeforeValidator(_single),
    ]
