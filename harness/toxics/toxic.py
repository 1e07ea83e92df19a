"""A toxic as it was declared, and what it has done so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.payments.chance import draw


@dataclass(eq=False)
class Toxic:
    """One toxic of one proxy."""

    name: str
    type: str
    stream: str  # as it was written, in any case
    toxicity: float  # share of connections it acts on
    attributes: dict[str, int]
    connections: int = 0  # that it was put on
    hits: int = 0  # chunks, ends or connections it acted on
    bytes: int = 0  # in those chunks

    @property
    def direction(self) -> str:
        """Which bytes it acts on: "upstream" or "downstream"."""
        return self.stream.lower()

    def described(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "attributes": self.attributes, "name": self.name, "type": self.type,
            "stream": self.stream, "toxicity": self.toxicity,
        }  # fmt: skip

    def counted(self) -> dict[str, int]:
        """What it has done, as the API shows it."""
        return {"connections": self.connections, "hits": self.hits, "bytes": self.bytes}

    def strikes(self, seed: int, proxy: str, connection: int) -> bool:
        """Whether it acts on a connection: the same in every run with this seed."""
        return draw(seed, proxy, connection, self.name) < self.toxicity
