"""Who runs, carries or hosts links, as a chain declares it."""

from __future__ import annotations

from typing import Literal

from paychain.declaration.schema import Declared, Line

# What it does for a link: carry its traffic (edge, carrier), host it (cloud), be the client that it
# is in some version (client), run it (all others).
ProviderKind = Literal[
    "edge", "cloud", "carrier", "processor", "scheme", "bank", "service", "client"
]


class Provider(Declared):
    """Who runs, carries or hosts links, or the version of a client that several of them are.

    Links with the same provider fail together.
    """

    kind: ProviderKind
    title: Line = ""

    @property
    def carries(self) -> bool:
        """Whether it carries traffic to its links (edge, carrier) rather than hosting them."""
        return self.kind in ("edge", "carrier")
