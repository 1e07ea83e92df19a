"""What must follow an approval, and its outcome: captures, refunds, cancels, webhooks.

due ──▶ sent ──▶ acknowledged · refused · abandoned
 ├── nothing: its link forgot it, or what should have triggered it never came
 └── cancelled: the whole payment was reversed
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from paychain.payments.journal import Decision, DecisionKind
from paychain.payments.rules.authorisation import Authorisation
from paychain.payments.rules.position import REPEAT, tender_of

End = Literal["never sent", "unanswered", "done", "refused", "abandoned", "cancelled"]
_KINDS: Mapping[DecisionKind, End] = {
    DecisionKind.FOLLOW_UP_DUE: "never sent",
    DecisionKind.FOLLOW_UP_SENT: "unanswered",
    DecisionKind.FOLLOW_UP_ACKNOWLEDGED: "done",
    DecisionKind.FOLLOW_UP_REFUSED: "refused",
    DecisionKind.FOLLOW_UP_ABANDONED: "abandoned",
    DecisionKind.FOLLOW_UP_CANCELLED: "cancelled",
}
# A cancel is due as a follow-up is, and carried out as any reversal.
_REVERSALS: Mapping[DecisionKind, End] = {
    DecisionKind.REVERSAL_SENT: "unanswered",
    DecisionKind.REVERSAL_ACKNOWLEDGED: "done",
    DecisionKind.REVERSAL_ABANDONED: "abandoned",
}

UNDOING = "undo"  # the refund of a payment that its caller reversed

# What stands between a reference and what another attempt at it adds.
_MARKS = (".", "~", "+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """One operation that had to follow. `amount_minor` is 0 if it was not recorded.

    `name` says of what: `p1-1 c1` is the first capture of the authorisation p1-1. `is_due`: it was
    written down when it became due, not only when it was sent. `keys`: under how many idempotency
    keys it was sent.
    """

    link: str
    operation: str
    target: str
    attempt: int
    name: str
    amount_minor: int
    end: End
    is_due: bool
    keys: int = 1

    @property
    def item(self) -> str:
        """Which capture or refund it is, or which event: `c1`."""
        return self.name.partition(" ")[2]

    @property
    def reference(self) -> str:
        """Of the authorisation that it follows, as its link sent it."""
        return self.name.partition(" ")[0]

    @property
    def tender(self) -> str:
        """Which of several means it is about: "2" of p1-1/2, and of p1-1/2.1; "" of a whole one."""
        return tender_of(self.reference)

    @property
    def reports_charge_back(self) -> bool:
        """Whether it is the webhook about a chargeback, in whatever words of a vendor."""
        return self.operation == "notify" and "disput" in self.item.lower()

    def is_of(self, reference: str) -> bool:
        """Whether it follows an authorisation: a relay may have made its reference of this one.

        A relay puts its name after the mark, a gateway's own next attempt has a number there.
        """
        more = reference.removeprefix(self.reference)
        is_relays = more[:1] in _MARKS and not more[1:2].isdigit()
        return reference.startswith(self.reference) and (not more or is_relays)

    def follows(self, entry: Authorisation) -> bool:
        """Whether it follows an authorisation, by its name or one that it was stored under.

        Who asked for what was stored knows it by that name, however it was delivered.
        """
        return self.is_of(entry.reference) or any(map(self.is_of, entry.stored_as))

    def __str__(self) -> str:
        return f"{self.operation} of {self.name} to {self.target}, {self.end}"


def follow_ups(decisions: Iterable[Decision]) -> list[FollowUp]:
    """Everything that had to follow, each once however often it was sent.

    What two triggers send under keys of their own is one follow-up as well: `p1-1 c1~webhook`.
    """
    found: dict[tuple[str, str, str], FollowUp] = {}
    sent: dict[tuple[str, str, str], set[str]] = {}
    for decision in decisions:
        end = _KINDS.get(decision.kind) or _REVERSALS.get(decision.kind)
        if end is None:
            continue
        # The detail of an end reads `NAME after N tries`: its beginning names what was sent.
        sent_name = decision.detail.partition(" after ")[0]
        name = without_repeat(sent_name)
        key = (decision.link, decision.operation, name)
        before = found.get(key)
        # A reversal is a follow-up only where it carries out a cancel that was due.
        if before is None and decision.kind in _REVERSALS:
            continue
        # What was done once is done, whatever becomes of its repeats: they may be refused.
        if before is not None and before.end == "done":
            end = "done"
        is_due = decision.kind is DecisionKind.FOLLOW_UP_DUE
        if decision.kind is DecisionKind.FOLLOW_UP_SENT:
            sent.setdefault(key, set()).add(sent_name)
        found[key] = FollowUp(
            link=decision.link,
            operation=decision.operation,
            target=decision.target or (before.target if before is not None else ""),
            attempt=decision.attempt,
            name=name,
            amount_minor=decision.amount_minor or (before.amount_minor if before else 0),
            end=end,
            is_due=is_due or (before is not None and before.is_due),
            keys=max(1, len(sent.get(key, ()))),
        )
    return list(found.values())


def without_repeat(name: str) -> str:
    """`p1-1 c1` for `p1-1 c1~webhook`; a reference may have a mark of its own."""
    reference, space, item = name.partition(" ")
    return f"{reference}{space}{item.partition(REPEAT)[0]}"
