"""Response codes that a chain declares: its acquirers' own, or what known ones mean there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from paychain.declaration.problem import Problem
from paychain.declaration.schema import Declared
from paychain.declaration.text import KeyPath
from paychain.payments.codes import is_forbidden, table
from paychain.payments.errors import meant

CODE_DIGITS = 2  # of DE39
CODE_FORM = r"^[0-9A-Za-z]{1,4}$"


class OwnCode(Declared):
    """What a response code means in this chain."""

    class_: Annotated[
        Literal["business", "technical"],
        Field(
            alias="class",
            description="Technical: the chain's health; business: the card or the customer.",
        ),
    ]
    meaning: Annotated[str, Field(description="What the code says, for reports.")] = ""
    retry: Annotated[
        Literal["never", "no", "later", "soon"],
        Field(description="Whether the same request may be sent again; never: not in retry codes."),
    ] = "no"


OwnCodes = Mapping[str, OwnCode]
Code = Annotated[str, Field(pattern=CODE_FORM)]


def check_decline_code(at: KeyPath, code: str, own: OwnCodes) -> Iterator[Problem]:
    """A code that a link declines with: a known one, or one that the chain declares."""
    if code in own:
        return
    # A number has lost its zero on the way: YAML 1.1 and most editors read 05 as 5.
    padded = code.zfill(CODE_DIGITS)
    if padded != code and (padded in own or padded in table()):
        yield Problem(at, f"unknown response code '{code}'", f'write "{padded}" with quotes')
    elif code not in table():
        close = meant(code, [*own, *table()])
        hint = f"{close} or " if close.startswith("did you mean") else ""
        declare = f'declare it in the chain: codes: {{"{code}": {{class: business}}}}'
        yield Problem(at, f"unknown response code '{code}'", f"{hint}{declare}")
    elif table()[code].kind == "approval":
        what = f"{code} is an approval ({table()[code].meaning}), not a decline"
        yield Problem(at, what, 'write the code of a decline, such as "05"')


def may_never_be_retried(code: str, own: OwnCodes) -> bool:
    """Whether a card that was declined with the code must not be presented again."""
    return own[code].retry == "never" if code in own else is_forbidden(code)
