"""A toxic as it was declared, and what it has done so far (Toxiproxy: toxics/toxic.go)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from paychain.payments.chance import draw


@dataclass(eq=False, kw_only=True)
class Toxic:
    """One toxic of one proxy."""

    name: str
    type: str
    stream: str  # as it was written, in any case
    toxicity: float  # share of connections it acts on, 0 to 1
    attributes: dict[str, int]
    connections: int = 0  # that it is or was active on
    hits: int = 0  # chunks, ends or connections it acted on
    bytes: int = 0  # in those chunks

    @property
    def direction(self) -> str:
        """Which bytes it acts on: "upstream" or "downstream"."""
        return self.stream.lower()

    def describe(self) -> dict[str, Any]:
        """The toxic as the API shows it."""
        return {
            "attributes": self.attributes,
            "name": self.name,
            "type": self.type,
            "stream": self.stream,
            "toxicity": self.toxicity,
        }

    def counters(self) -> dict[str, int]:
        """What it has done so far, as the API shows it."""
        return {"connections": self.connections, "hits": self.hits, "bytes": self.bytes}

    def affects(self, seed: int, proxy: str, connection: int) -> bool:
        """Whether it acts on a connection, by its number: the same in every run with this seed."""
        return draw(seed, proxy, connection, self.name) < self.toxicity
