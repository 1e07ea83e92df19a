"""What can be switched by hand: every link and provider, with the faults that are possible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from paychain.engine.ability import Kind, unsupported
from paychain.faults.fault import Fault
from paychain.faults.kind import Values
from paychain.faults.kinds import KINDS
from paychain.model.chain import Chain
from paychain.model.fault_checks import check_fault
from paychain.payments.errors import UserError, meant

MAX_VALUE = 100  # characters of one value


@dataclass(frozen=True)
class Toggle:
    """One fault that a link or provider can have, with its default values."""

    kind: str
    values: Values

    @property
    def meaning(self) -> str:
        """What the fault does, in a few words."""
        return KINDS[self.kind].facts.meaning


@dataclass(frozen=True)
class SwitchTarget:
    """A link or a provider, and its switches."""

    target: str  # "link" or "provider"
    name: str
    about: str  # its role or kind
    toggles: tuple[Toggle, ...]


def places_of(chain: Chain, engine: Kind) -> list[SwitchTarget]:
    """Providers first, then links, each with the faults that it and this engine support."""
    places = [
        SwitchTarget("provider", name, provider.kind, _toggles(chain, engine, "provider", name))
        for name, provider in chain.providers.items()
    ]
    places += [
        SwitchTarget("link", name, link.role, _toggles(chain, engine, "link", name))
        for name, link in chain.links.items()
    ]
    return [place for place in places if place.toggles]


def fault_of(
    chain: Chain,
    engine: Kind,
    *,
    target: str,
    name: str,
    kind: str,
    values: Mapping[str, str],
    fault_id: str,
) -> Fault:
    """The fault that a switch turns on. Raises UserError with a hint how to write a value."""
    declared = declaration(target, name, kind, values, fault_id)
    try:
        fault = Fault.model_validate(declared | {"at": "0s", "for": "1s"})
    except ValidationError as error:
        raise UserError(_message(error)) from None
    for problem in check_fault(fault, chain, ()):
        raise UserError(problem.what, hint=problem.hint)
    reason = unsupported(fault, engine)
    if reason is not None:
        raise UserError(reason[0], hint=reason[1])
    return fault


def declaration(
    target: str, name: str, kind: str, values: Mapping[str, str], fault_id: str
) -> dict[str, Any]:
    """A fault as an experiment file writes it, without its times. Raises UserError."""
    if target not in ("link", "provider"):
        raise UserError(f"unknown target '{target}'", hint="use link or provider")
    if kind not in KINDS:
        raise UserError(f"unknown fault '{kind}'", hint=meant(kind, KINDS))
    if any(len(value) > MAX_VALUE for value in values.values()):
        raise UserError(f"a value is longer than {MAX_VALUE} characters")
    given = {key: value.strip() for key, value in values.items() if value.strip()}
    return {"id": fault_id, "target": {target: name}, kind: given}


def written(values: Mapping[str, str]) -> str:
    """`delay: 400ms, jitter: 100ms`, as the terminal shows and reads it."""
    return ", ".join(f"{key}: {value}" for key, value in values.items())


def typed(text: str) -> dict[str, str]:
    """The values in `delay: 1s, share: 50%`. Raises UserError."""
    try:
        found = yaml.load(f"{{{text}}}", Loader=yaml.BaseLoader)  # noqa: S506  (BaseLoader makes nothing but texts, lists and mappings)
    except yaml.YAMLError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise UserError(f"invalid values '{text}'", hint="write them as delay: 1s, share: 50%")
    return found


def _toggles(chain: Chain, engine: Kind, target: str, name: str) -> tuple[Toggle, ...]:
    toggles = []
    for kind, parameters in KINDS.items():
        for values in parameters.facts.switch:
            try:
                fault_of(
                    chain, engine, target=target, name=name, kind=kind, values=values, fault_id="x"
                )
            except UserError:
                continue
            toggles.append(Toggle(kind, values))
            break
    return tuple(toggles)


def _message(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    where = str(detail["loc"][-1]) if detail["loc"] else ""
    what = str(detail["msg"]).removeprefix("Value error, ")
    return f"{where}: {what}" if detail["type"] != "value_error" else what
