"""How customers pay one own service, as data that a load process is sent.

A template is made from a declared `pays:` (`model/pays.py`); `requests.py` writes its requests,
`outcomes.py` reads its answers.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Content = Literal["none", "json", "form", "body"]
AnswerKind = Literal["approved", "declined", "rejected", "pending"]
Unit = Literal["decimal", "minor"]


class RequestTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `content` is a JSON value, a mapping of form fields, or text, by its kind."""

    method: str = "POST"
    path: str
    headers: dict[str, str] = {}
    kind: Content = "none"
    content: Any = None


class AnswerPattern(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer of one outcome looks like: all that is given has to agree.

    `where`: values that a field of the JSON answer may have, by its path. `amount` and `code` are
    paths, "" for none. `look` and `every_s` are of a pending payment.
    """

    outcome: AnswerKind
    statuses: tuple[tuple[int, int], ...] = ()
    where: dict[str, list[str]] = {}
    headers: dict[str, str] = {}  # each contains the text
    contains: str = ""
    amount: str = ""
    unit: Unit = "decimal"
    code: str = ""
    technical: bool = False
    look: RequestTemplate | None = None
    every_s: float = 0.0


class PaysTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """How one own service is paid.

    `steps`: requests, the last of which pays. `adapter`: `file.py:Class` that does it instead,
    relative to `folder`. `code_classes`: what the chain declares codes to mean. `place`: of the
    declaration, for messages.
    """

    link: str
    steps: tuple[RequestTemplate, ...] = ()
    patterns: tuple[AnswerPattern, ...] = ()
    look: RequestTemplate | None = None  # of a customer who comes back
    look_every_s: float = 0.0
    returns: RequestTemplate | None = None  # by which such a customer comes, before the first look
    tokens: dict[str, str] = {}
    code_classes: dict[str, str] = {}
    adapter: str = ""
    folder: str = ""
    place: str = ""
