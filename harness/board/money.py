"""Money rules while payments go on: each payment is judged once it has been quiet for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from harness.analysis.reconcile import Parties, reconcile, stand_in_order
from harness.analysis.store import Story
from harness.model.chain import Chain
from harness.payments.journal import (
    Decision,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
    Record,
)
from harness.payments.rules import RULES, Finding

REVERSED_WITHIN_S = 5.0  # a reversal is tried again within 4 s, so a quiet payment is final
MOST_AT_ONCE = 500  # payments judged in one go: some 0.2 s
EXAMPLES = 5


@dataclass
class MoneyWatch:
    """Every payment that is not judged yet, and what is wrong with those that are.

    A payment of which something new is heard is judged anew: a finding that a late reversal mends
    goes away.
    """

    chain: Chain
    story: Callable[[str], Story]
    findings: dict[str, dict[str, Finding]] = field(default_factory=dict)  # by payment, by rule
    _heard_ns: dict[str, int] = field(default_factory=dict)
    _stood_in: list[Movement] = field(default_factory=list)
    _paid: dict[str, PaymentRecord] = field(default_factory=dict)  # of what was stood in for

    def __post_init__(self) -> None:
        self._parties = Parties.of(self.chain)
        self.quiet_s = self.chain.deadline + REVERSED_WITHIN_S

    @property
    def open(self) -> int:
        """Payments that are not old enough to be judged."""
        return len(self._heard_ns)

    def heard(self, records: Iterable[Record], now_ns: int) -> None:
        """Something was recorded."""
        for record in records:
            if not isinstance(record, PaymentRecord | HopRecord | Movement | Decision):
                continue
            if record.payment:
                # The longest quiet comes first, so that judging need not look at them all.
                self._heard_ns.pop(record.payment, None)
                self._heard_ns[record.payment] = now_ns
            if isinstance(record, Movement) and record.kind is MovementKind.STOOD_IN:
                self._stood_in.append(record)

    def judge(self, now_ns: int) -> None:
        """Judge what has been quiet for long enough."""
        due: list[str] = []
        for payment, heard_ns in self._heard_ns.items():
            if now_ns - heard_ns < self.quiet_s * 1e9 or len(due) == MOST_AT_ONCE:
                break
            due.append(payment)
        if not due:
            return
        stories = {payment: self.story(payment) for payment in due}
        for payment in {move.payment for move in self._stood_in} & stories.keys():
            if (customer := stories[payment].customer) is not None:
                self._paid[payment] = customer
        order = stand_in_order(self._stood_in, self._paid.values(), self._parties)
        for payment, story in stories.items():
            del self._heard_ns[payment]
            found = reconcile(story, self._parties, order)
            if found is None:
                continue
            broken = {name: one for name, (_, rule) in RULES.items() if (one := rule(found))}
            if broken:
                self.findings[payment] = broken
            else:
                self.findings.pop(payment, None)

    @property
    def wrong_minor(self) -> int:
        """Money is wrong once, however many rules say so."""
        return sum(
            max(one.amount_minor for one in broken.values()) for broken in self.findings.values()
        )

    def broken(self) -> list[tuple[str, int, int, list[str]]]:
        """Rules that are broken: title, payments, amount, and the last few in words."""
        listed = []
        for name, (title, _) in RULES.items():
            mine = [broken[name] for broken in self.findings.values() if name in broken]
            if mine:
                words = [f"{one.payment}: {one.text}" for one in mine[-EXAMPLES:]]
                listed.append((title, len(mine), sum(one.amount_minor for one in mine), words))
        return listed
