"""How a link speaks: our own dialect, or the API of a payment provider with its settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, model_validator

from paychain.declaration.problem import Problem, unknown
from paychain.declaration.schema import Declared
from paychain.declaration.text import KeyPath
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.dialects.vendors import VENDORS
from paychain.protocol.vendor import choices_of

NATIVE = "paychain"


class Spoken(Declared):
    """The dialect of a link. Short form: `dialect: stripe`; with settings: `{adyen: {…}}`."""

    name: Annotated[
        str, Field(description="paychain, our own JSON, or the API of a payment provider.")
    ] = NATIVE
    settings: Annotated[
        dict[str, str],
        Field(max_length=20, description="Of the provider's API, such as its merchant account."),
    ] = {}

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and len(value) == 1 and "name" not in value:
            [(name, settings)] = value.items()
            return {"name": name, "settings": settings or {}}
        return value

    @property
    def is_vendors(self) -> bool:
        """Whether it is the API of a payment provider, which only own services call."""
        return self.name in VENDORS

    def problems(self, at: KeyPath) -> Iterator[Problem]:
        """Unknown names, of the dialect or of a setting."""
        if self.name in VENDORS:
            known, choices = VENDORS[self.name].settings, choices_of(VENDORS[self.name])
            for setting, value in self.settings.items():
                if setting not in known:
                    yield unknown((*at, self.name, setting), "setting", setting, known)
                elif value not in choices.get(setting, (value,)):
                    yield unknown((*at, self.name, setting), setting, value, choices[setting])
        elif self.name not in DIALECTS:
            yield unknown(at, "dialect", self.name, [*DIALECTS, *VENDORS])
        elif self.settings:
            yield Problem(at, f"the dialect {self.name} has no settings", f"dialect: {self.name}")
