"""Where a fault is injected, as an experiment names it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from paychain.declaration.schema import Declared

EVERY_LINK = "*"  # target of a standard fault: the matrix puts each link's name in
_EVERY_LINK = re.compile(r"""(\blink["']?:\s*)(["'])\*\2""")


class Target(Declared):
    """What a fault applies to: exactly one of these. `role`: every link of that role."""

    link: str | None = None
    role: Annotated[str | None, Field(description="Every link of this role.")] = None
    call: str | None = None  # gateway.authorise
    hop: str | None = None  # gateway -> processor-a
    provider: str | None = None

    def __str__(self) -> str:
        """As the file writes it: `link processor-a`."""
        return next(f"{key} {value}" for key, value in self if value is not None)


def may_be_for_every_link(text: str) -> bool:
    """Whether an experiment's YAML looks like a standard fault; quicker than loading it."""
    return _EVERY_LINK.search(text) is not None


def for_one_link(text: str, link: str) -> str:
    """The YAML of a standard fault with a link's name in place of every link."""
    return _EVERY_LINK.sub(rf'\1"{link}"', text)
