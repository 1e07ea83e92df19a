"""A hop: what one link asks another one for."""

from __future__ import annotations

from paychain.declaration.schema import Declared


class Hop(Declared):
    """One (caller, operation, callee) of a chain; the fault engine has a proxy for each."""

    caller: str
    operation: str
    callee: str

    @property
    def name(self) -> str:
        """The proxy's name: URL-safe and readable."""
        return f"{self.caller}.{self.operation}.{self.callee}"

    def __str__(self) -> str:
        """As an experiment names it: `gateway -> processor-a (authorise)`."""
        return f"{self.caller} -> {self.callee} ({self.operation})"
