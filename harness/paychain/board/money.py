"""Money rules during a session: a payment is judged once nothing was recorded for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from paychain.analysis.money.orders import broken_rules, wrong_minor
from paychain.analysis.money.parties import Parties
from paychain.analysis.money.reconcile import reconcile, stand_in_order
from paychain.analysis.store.store import RecordedPayment
from paychain.model.chain import Chain
from paychain.payments.journal import (
    Decision,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
    Record,
)
from paychain.payments.rules import RULES, Finding

REVERSED_WITHIN_S = 5.0  # a reversal is retried within 4 s, so a quiet payment is final
MAX_AT_ONCE = 500  # payments judged in one step, about 0.2 s: the board stays responsive
MAX_EXAMPLES = 5  # of payments that broke a rule


@dataclass(frozen=True)
class BrokenRule:
    """A money rule that payments broke, with the latest of them in words."""

    title: str
    payments: int
    amount_minor: int
    examples: list[str]


@dataclass
class MoneyWatch:
    """The payments that are not judged yet, and the findings of those that are.

    A payment with new records is judged again: a finding that a late reversal resolves disappears.
    """

    chain: Chain
    story: Callable[[str], RecordedPayment]
    findings: dict[str, dict[str, Finding]] = field(default_factory=dict)  # by payment, by rule
    # When something was last recorded of a payment. The payment that is quiet for longest comes
    # first, so that judging need not look at them all.
    _recorded_ns: dict[str, int] = field(default_factory=dict)
    _stood_in: list[Movement] = field(default_factory=list)
    _customers: dict[str, PaymentRecord] = field(default_factory=dict)  # of stood-in payments

    def __post_init__(self) -> None:
        self._parties = Parties.of(self.chain)
        self.quiet_s = self.chain.deadline + REVERSED_WITHIN_S

    @property
    def open(self) -> int:
        """Payments that are not final yet."""
        return len(self._recorded_ns)

    def add(self, records: Iterable[Record], now_ns: int) -> None:
        """Note the payments of new records."""
        for record in records:
            if not isinstance(record, PaymentRecord | HopRecord | Movement | Decision):
                continue
            if record.payment:
                self._recorded_ns.pop(record.payment, None)
                self._recorded_ns[record.payment] = now_ns
            if isinstance(record, Movement) and record.kind is MovementKind.STOOD_IN:
                self._stood_in.append(record)

    def judge(self, now_ns: int) -> None:
        """Judge the payments that have been quiet for long enough."""
        due: list[str] = []
        for payment, recorded_ns in self._recorded_ns.items():
            if now_ns - recorded_ns < self.quiet_s * 1e9 or len(due) == MAX_AT_ONCE:
                break
            due.append(payment)
        if not due:
            return
        stories = {payment: self.story(payment) for payment in due}
        for payment in {move.payment for move in self._stood_in} & stories.keys():
            if (customer := stories[payment].customer) is not None:
                self._customers[payment] = customer
        order = stand_in_order(self._stood_in, self._customers.values(), self._parties)
        for payment, story in stories.items():
            del self._recorded_ns[payment]
            found = reconcile(story, self._parties, order)
            # What is sent by hand to the entry has no customer who records it.
            if not found.is_known:
                continue
            broken = broken_rules(found)
            if broken:
                self.findings[payment] = broken
            else:
                self.findings.pop(payment, None)

    @property
    def wrong_minor(self) -> int:
        """Money is wrong once, however many rules say so."""
        return sum(wrong_minor(broken) for broken in self.findings.values())

    def broken(self) -> list[BrokenRule]:
        """The rules that payments broke, in the order of the rules."""
        rules = []
        for name, rule in RULES.items():
            findings = [broken[name] for broken in self.findings.values() if name in broken]
            if findings:
                rules.append(
                    BrokenRule(
                        title=rule.title,
                        payments=len(findings),
                        amount_minor=sum(finding.amount_minor for finding in findings),
                        examples=[
                            f"{finding.payment}: {finding.text}"
                            for finding in findings[-MAX_EXAMPLES:]
                        ],
                    )
                )
        return rules
