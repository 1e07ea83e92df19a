"""What a link is, and whom it depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from paychain.declaration.schema import Declared, Line
from paychain.model.roles import ROLES

if TYPE_CHECKING:
    Role = str
else:
    Role = Literal[tuple(ROLES)]  # as pydantic takes it; mypy wants the names written out


class Identity(Declared):
    """What a link is, and whom it depends on."""

    role: Role
    provider: str | None = None
    providers: Annotated[
        list[str],
        Field(
            max_length=10,
            description="In place of `provider`: everyone it depends on, such as who runs it, "
            "carries its traffic, hosts it, or wrote its client software.",
        ),
    ] = []
    title: Line = ""

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Every provider that it names, in declared order."""
        return (self.provider,) if self.provider is not None else tuple(self.providers)
