"""Failure scripts in plain words, for reports and for a search that has found one."""

from __future__ import annotations

from paychain.declaration.quantity import duration_text, seconds_text
from paychain.faults.kinds.http_error import HttpError
from paychain.faults.kinds.rate_limit import RateLimit
from paychain.model.scripts import Script, ScriptStep

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")

_OF_EVERY_KIND = {"share", "first", "requests", "only"}
_NONE = "0s"  # a delay that is none


def ordinal(number: int) -> str:
    """`first`, `second`, …, `10th`, counted from 1."""
    assert number >= 1
    if number <= len(_ORDINALS):
        return _ORDINALS[number - 1]
    ending = (
        "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )
    return f"{number}{ending}"


def step_words(step: ScriptStep) -> str:
    """One step: `the first authorise at stripe: works, its answer is lost`."""
    if step.customer is not None:
        return f"the customer {_customer_words(step)}"
    if step.webhook is not None:
        return f"the {ordinal(step.event)} webhook of {step.webhook} {step.webhook_kind}"
    what = step.operation or "request"
    return f"the {ordinal(step.request)} {what} at {step.link}: {_fault_words(step)}"


def script_words(script: Script) -> str:
    """All steps in one sentence."""
    return "; ".join(map(step_words, script.steps))


def _fault_words(step: ScriptStep) -> str:
    """What the kind does, and the values it is given with."""
    fault = step.fault
    # Of an error the status says most, although it may be the default.
    if isinstance(fault, HttpError):
        after = " after the work is done" if fault.after_work else ""
        return f"answers HTTP {fault.status}{after}"
    # In a script it refuses the request, whatever its rate.
    if isinstance(fault, RateLimit):
        return "is refused with HTTP 429"
    given = fault.model_dump(mode="json", exclude=_OF_EVERY_KIND)
    values = ", ".join(f"{key} {value}" for key, value in given.items() if value != _NONE)
    lasts = f", for {duration_text(step.lasts)}" if step.lasts is not None else ""
    return f"{step.fault.facts.meaning}{f' ({values})' if values else ''}{lasts}"


def _customer_words(step: ScriptStep) -> str:
    assert step.customer is not None, "the step is the customer's"
    does = step.customer
    if does.retry is not None:
        after = seconds_text(does.retry.after, digits=4)
        return f"pays again after {after} with {_key(does.retry.key)}"
    if does.presses_twice is not None:
        after = seconds_text(does.presses_twice.after, digits=4)
        return f"presses twice, {after} apart, with {_key(does.presses_twice.key)}"
    if does.pays_again is not None:
        after = seconds_text(does.pays_again.after, digits=4)
        card = "another card" if does.pays_again.card == "another" else "the same card"
        return f"pays again with {card}, {after} after a decline"
    if does.lingers is not None:
        return f"takes {seconds_text(does.lingers.lasts, digits=4)} to go on after the first answer"
    if does.tampers is not None:
        share = 100 * does.tampers.amount
        return f"names {share:g} % of the amount in each request after the first"
    assert does.leaves is not None, "a checked step does one thing"
    leaves = f"leaves after {seconds_text(does.leaves.after, digits=4)}"
    if does.leaves.returns_after is None:
        return leaves
    return f"{leaves} and is back {seconds_text(does.leaves.returns_after, digits=4)} later"


def _key(key: str) -> str:
    return "a new key" if key == "new" else "the same key"
