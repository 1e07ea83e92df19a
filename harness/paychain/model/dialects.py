"""How a link speaks: our own dialect, or the API of a provider or a node with its settings."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Annotated, Any

from pydantic import Field, model_validator

from paychain.declaration.problem import Problem, unknown
from paychain.declaration.schema import Declared
from paychain.declaration.text import KeyPath
from paychain.payments.whole_number import whole_number
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.dialects.vendors import APIS
from paychain.protocol.vendor import (
    assets_of,
    choices_of,
    numbers_of,
    packages_of,
    roles_of,
    setting_problem,
)

NATIVE = "paychain"


class Spoken(Declared):
    """The dialect of a link. Short form: `dialect: stripe`; with settings: `{adyen: {…}}`."""

    name: Annotated[
        str,
        Field(description="paychain, our own JSON, the API of a payment provider, or json-rpc."),
    ] = NATIVE
    settings: Annotated[
        dict[str, str],
        Field(
            max_length=20,
            description="Of the provider's or node's API: a merchant account, a chain id.",
        ),
    ] = {}

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and len(value) == 1 and "name" not in value:
            [(name, settings)] = value.items()
            return {"name": name, "settings": _texts(settings or {})}
        if isinstance(value, dict) and len(value) > 1 and not value.keys() & {"name", "settings"}:
            raise ValueError(f"two dialects: {', '.join(map(str, value))}; give one of them")
        return value

    @property
    def is_vendors(self) -> bool:
        """Whether it is the API of a payment provider or a node, which only own services call."""
        return self.name in APIS

    def problems(self, at: KeyPath) -> Iterator[Problem]:
        """Unknown names, of the dialect or of a setting."""
        if self.name in APIS:
            api = APIS[self.name]
            known, choices = api.settings, choices_of(api)
            extra, modules = packages_of(api)
            if any(find_spec(module) is None for module in modules):
                what = f"the dialect {self.name} needs packages that are not installed"
                yield Problem(at, what, f"pip install 'paychain[{extra}]'")
            for setting, value in self.settings.items():
                if setting not in known:
                    yield unknown((*at, self.name, setting), "setting", setting, known)
                elif value not in choices.get(setting, (value,)):
                    yield unknown((*at, self.name, setting), setting, value, choices[setting])
                elif setting in numbers_of(api) and not _is_number(value):
                    what = f"'{value}' is not a whole number above 0"
                    yield Problem((*at, self.name, setting), what, "write one such as 31337")
                elif what := setting_problem(api, setting, value):
                    yield Problem(
                        (*at, self.name, setting), what, f"see: paychain docs {self.name}"
                    )
        elif self.name not in DIALECTS:
            yield unknown(at, "dialect", self.name, [*DIALECTS, *APIS])
        elif self.settings:
            yield Problem(at, f"the dialect {self.name} has no settings", f"dialect: {self.name}")

    def fits(self, role: str, currency: str, at: KeyPath) -> Iterator[Problem]:
        """A link whose role speaks it, in a chain that pays in what it can say."""
        if self.name not in APIS:
            return
        roles, assets = roles_of(APIS[self.name]), assets_of(APIS[self.name])
        if roles and role not in roles:
            what = f"the role {role} does not speak {self.name}"
            yield Problem(at, what, f"it is for: {', '.join(roles)}")
        elif assets and currency not in assets:
            what = f"{currency} is not sent by {self.name}"
            yield Problem(at, what, f"it is for: {', '.join(assets)}")


def _texts(settings: Any) -> Any:
    """Numbers as the texts that all settings are."""
    if not isinstance(settings, dict):
        return settings
    return {key: str(value) if type(value) is int else value for key, value in settings.items()}


def _is_number(text: str) -> bool:
    return bool(whole_number(text))
