"""The fault kinds as keys of an experiment file: one field a kind, exactly one of them given."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import create_model

from paychain.declaration.schema import Declared
from paychain.faults.kind import FaultKind
from paychain.faults.kinds import KINDS

if TYPE_CHECKING:
    KindFields = Declared
else:
    # Pydantic makes the fields from the registry, so that a new kind is known without a field here.
    KindFields = create_model(
        "KindFields",
        __base__=Declared,
        **{name: (kind | None, None) for name, kind in KINDS.items()},
    )


class Kinds(KindFields):
    """Exactly one fault kind with its parameters."""

    @cached_property  # asked several times of each fault by checks and switches, of all kinds
    def chosen(self) -> tuple[str, ...]:
        """Names of the kinds that are given."""
        return tuple(name for name in KINDS if getattr(self, name) is not None)

    def parameters_of(self, kind: str) -> FaultKind:
        """The parameters of a kind that is given."""
        parameters = getattr(self, kind)
        assert isinstance(parameters, FaultKind), f"{kind} is not given"
        return parameters
