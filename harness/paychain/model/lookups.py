"""How many lookups a directory answers, and what brings its callers new ones.

Source: docs/third-parties.md (Pix's DICT).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.declaration.quantity import Rate
from paychain.declaration.schema import Declared

_MAX = 1_000_000


class Lookups(Declared):
    """A bucket of tokens, full at first: each lookup takes some; with too few left it is refused.

    All callers of a link share the bucket, as the applications of one bank do. The refusal is 429,
    before any work. An approved payment brings back `approved` tokens, once a link reports it by
    webhook.
    """

    bucket: Annotated[int, Field(ge=1, le=_MAX, description="How many tokens it can hold.")]
    refill: Annotated[
        Rate, Field(description="Tokens that come back with time alone, up to the bucket's size.")
    ] = 0.0
    hit: Annotated[
        int,
        Field(ge=0, le=_MAX, description="Tokens that a lookup takes when it finds something."),
    ] = 1
    miss: Annotated[
        int,
        Field(ge=0, le=_MAX, description="Tokens that it takes when it finds nothing (declines)."),
    ] = 20
    refused: Annotated[
        int,
        Field(
            ge=0, le=_MAX, description="Tokens that it takes when it is refused for lack of tokens."
        ),
    ] = 0
    approved: Annotated[
        int, Field(ge=0, le=_MAX, description="Tokens that an approved payment brings back.")
    ] = 1
