"""What can be switched by hand: every link and provider with the faults it can have here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from harness.faults.ability import unable
from harness.faults.choice import Kind
from harness.model.chain import Chain
from harness.model.checks import check_experiment
from harness.model.experiment import Experiment
from harness.model.fault import HOP_KINDS, LINK_KINDS, Fault
from harness.model.load import Load
from harness.payments.errors import UserError

LONGEST_VALUE = 100  # characters of one value that is typed in
_SOME_LOAD = Load.model_validate({"arrivals": "1/s", "before": "0s", "after": "1s"})
# What a switch does unless another value is typed in. As an experiment file writes it.
DEFAULTS: dict[str, dict[str, str]] = {
    "down": {"share": "100%"},
    "refuse": {"share": "100%"},
    "blackhole": {"connections": "all", "share": "100%"},
    "latency": {"delay": "400ms", "jitter": "100ms", "share": "100%"},
    "bandwidth": {"rate": "1kB/s", "share": "100%"},
    "slow_close": {"delay": "1s", "share": "100%"},
    "reset": {"after": "0s", "share": "50%"},
    "slice": {"size": "16B", "delay": "10ms", "share": "100%"},
    "cut_after": {"after": "80B", "share": "100%"},
    "http_error": {"status": "503", "after_work": "false", "share": "50%"},
    "decline": {"code": "91", "share": "50%"},
    "slow_answer": {"delay": "2s", "share": "100%"},
    "late_answer": {"delay": "3s", "share": "50%"},
    "lost_answer": {"share": "50%"},
    "duplicate_answer": {"copies": "2", "share": "100%"},
    "wrong_answer": {"says": "declined", "share": "50%"},
    "stale_answer": {"share": "50%"},
    "malformed": {"share": "50%"},
    "stuck_pending": {"share": "50%"},
    "gray": {"status": "500", "share": "50%"},
    "crash": {"forgets": "false"},
}
MEANINGS = {
    "down": "gone: connections are refused",
    "refuse": "new connections are refused",
    "blackhole": "nothing gets through",
    "latency": "answers arrive late",
    "bandwidth": "few bytes a second",
    "slow_close": "connections close late",
    "reset": "connections are reset",
    "slice": "bytes come in pieces",
    "cut_after": "answers are cut off",
    "http_error": "answers an HTTP error",
    "decline": "declines instead of working",
    "slow_answer": "works, answers late",
    "late_answer": "begins its work late",
    "lost_answer": "works, its answer is lost",
    "duplicate_answer": "answers several times",
    "wrong_answer": "works, says something else",
    "stale_answer": "repeats its last answer",
    "malformed": "what it sends is no answer",
    "stuck_pending": "says pending, works later",
    "gray": "fails, health check is fine",
    "crash": "its process dies",
}


@dataclass(frozen=True)
class Toggle:
    """One fault that a place can have, with the values it starts with."""

    kind: str
    values: dict[str, str]

    @property
    def meaning(self) -> str:
        """In a few words."""
        return MEANINGS[self.kind]


@dataclass(frozen=True)
class Place:
    """A link or a provider, and its switches."""

    target: str  # "link" or "provider"
    name: str
    about: str  # its role or kind
    toggles: tuple[Toggle, ...]


def places_of(chain: Chain, engine: Kind) -> list[Place]:
    """Providers first, then links, each with what this target and this engine can do."""
    found = [
        Place("provider", name, one.kind, _toggles(chain, engine, "provider", name))
        for name, one in chain.providers.items()
    ]
    found += [
        Place("link", name, one.role, _toggles(chain, engine, "link", name))
        for name, one in chain.links.items()
    ]
    return [one for one in found if one.toggles]


def fault_of(
    chain: Chain, engine: Kind, *, target: str, name: str, kind: str, values: Mapping[str, str],
    fault_id: str,
) -> Fault:  # fmt: skip
    """The fault that a switch stands for. Raises UserError with how to write the value."""
    declared = declaration(target, name, kind, values, fault_id)
    try:
        fault = Fault.model_validate(declared | {"at": "0s", "for": "1s"})
    except ValidationError as error:
        raise UserError(_said(error)) from None
    experiment = Experiment(experiment="by-hand", load=_SOME_LOAD, faults=[fault])
    for problem in check_experiment(experiment, chain):
        raise UserError(problem.what, mend=problem.mend)
    reason = unable(fault, engine)
    if reason is not None:
        raise UserError(reason[0], mend=reason[1])
    return fault


def declaration(
    target: str, name: str, kind: str, values: Mapping[str, str], fault_id: str
) -> dict[str, Any]:
    """A fault as an experiment file writes it, its times left out. Raises UserError."""
    if target not in ("link", "provider"):
        raise UserError(f"a switch is for a link or a provider, not for a {target}")
    if kind not in DEFAULTS:
        raise UserError(f"there is no fault '{kind}'")
    if any(len(value) > LONGEST_VALUE for value in values.values()):
        raise UserError(f"a value is longer than {LONGEST_VALUE} characters")
    given = {key: value.strip() for key, value in values.items() if value.strip()}
    return {"id": fault_id, "target": {target: name}, kind: given}


def written(values: Mapping[str, str]) -> str:
    """`delay: 400ms, jitter: 100ms`, as the terminal shows and takes it."""
    return ", ".join(f"{key}: {value}" for key, value in values.items())


def typed(text: str) -> dict[str, str]:
    """What somebody typed as `delay: 1s, share: 50%`. Raises UserError."""
    try:
        found = yaml.load(f"{{{text}}}", Loader=yaml.BaseLoader)  # noqa: S506  (text only)
    except yaml.YAMLError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise UserError(f"'{text}' are not values", mend="write them as delay: 1s, share: 50%")
    return found


def _toggles(chain: Chain, engine: Kind, target: str, name: str) -> tuple[Toggle, ...]:
    found = []
    for kind in (*HOP_KINDS, *LINK_KINDS):
        # An isolated link's crash has to forget: what it keeps on disk no other process has.
        for values in (DEFAULTS[kind], {"forgets": "true"} if kind == "crash" else {}):
            try:
                fault_of(
                    chain, engine, target=target, name=name, kind=kind, values=values, fault_id="x"
                )
            except UserError:
                continue
            found.append(Toggle(kind, values))
            break
    return tuple(found)


def _said(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    where = str(detail["loc"][-1]) if detail["loc"] else ""
    what = str(detail["msg"]).removeprefix("Value error, ")
    return f"{where}: {what}" if detail["type"] != "value_error" else what
