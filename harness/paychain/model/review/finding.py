"""What a static review finds, what each kind of finding costs, and why it matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from paychain.declaration.text import KeyPath
from paychain.model.finding_kinds import Cost, Kind
from paychain.model.review.remedy import Edit, Remedy

Where = Literal["chain", "experiment"]


class ReviewFinding(msgspec.Struct, kw_only=True, frozen=True):
    """One weakness that a declaration shows before any run."""

    kind: Kind
    place: str  # file:line:column
    subject: str  # `gateway.authorise`, `link scheme`, `provider cloudflare`
    what: str
    why: str
    source: str
    hint: str
    costs: Cost = "availability"
    remedy: Remedy | None = None
    accepted: str = ""  # why the chain's `accepts` lives with it; "": it does not
    unavoidable: bool = False  # every chain of this kind has it: the entry, the cardholder's bank

    @property
    def at(self) -> str:
        """What `accepts` names it by: the subject without its kind."""
        return name_of(self.subject)

    @property
    def is_open(self) -> bool:
        """Whether somebody has to do something about it: to remove it or to accept it."""
        return not self.accepted and not self.unavoidable


@dataclass(frozen=True, kw_only=True)
class Weakness:
    """A finding whose places are still key paths. `file`: which file `path` is in.

    `in_code`: the better remedy where the link is an own service, whose code can be changed and
    whose providers cannot. `cites`: the source, where it is not that of every finding of the kind.
    """

    kind: Kind
    path: KeyPath
    subject: str
    what: str
    hint: str
    remedy: Edit
    file: Where = "chain"
    unavoidable: bool = False
    in_code: Edit | None = None
    cites: str = ""


def of_setting(
    kind: Kind, link: str, *keys: str | int, what: str, hint: str, to: Any = None
) -> Weakness:
    """What is wrong with a setting of a link, which is to be set to `to`; None: to be removed."""
    path = ("links", link, *keys)
    remedy = Edit(path, action="remove") if to is None else Edit(path, to)
    return Weakness(
        kind=kind, path=path, subject=f"link {link}", what=what, hint=hint, remedy=remedy
    )


def name_of(subject: str) -> str:
    """`gateway` for `link gateway`, `customer` for `the customer`."""
    return subject.split()[-1]


def accept(kind: Kind, subject: str) -> Edit:
    """The remedy of what no setting can remove: to accept it, with a reason."""
    item = {"finding": kind, "at": name_of(subject), "because": "…"}
    return Edit(("accepts",), item, "add")
