"""Money rules about the user's own services, each with the bug that it finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paychain.analysis.money.findings import money
from paychain.analysis.store.store import RunStore
from paychain.model.chain import Chain
from paychain.payments.journal import Decision, DecisionKind, HopRecord, Movement, MovementKind
from paychain.payments.outcome import HopResult
from tests.support.chains import checked
from tests.support.observed_runs import A, B, ObservedRun
from tests.support.own_chains import PAYS, own_shop
from tests.support.recorded import ns

BOOKS = {"get": "/orders/{payment}", "paid": {"where": {"state": "paid"}}}
CHAIN = checked(own_shop(shop={"pays": PAYS, "books": BOOKS}))
NO_BOOKS = checked(own_shop(shop={"pays": PAYS}))


class Shop(ObservedRun):
    """Payments whose money is at processor-a, and what the shop's books say of them."""

    def holds(
        self, payment: str, at_s: float, at: str = A, attempt: int = 1, minor: int = 1_000
    ) -> None:
        """The processor and the issuer hold the money of an attempt of the payment."""
        for link in (at, "issuer"):
            self.records.append(
                Movement(
                    link=link,
                    payment=payment,
                    attempt=attempt,
                    kind=MovementKind.AUTHORISED,
                    amount_minor=minor,
                    currency="EUR",
                    reference=f"{payment}-{attempt}",
                    at_ns=ns(at_s),
                    decided_by="issuer",
                )
            )

    def moves(
        self,
        payment: str,
        kind: MovementKind,
        at_s: float,
        minor: int = 1_000,
        *,
        at: str = A,
        attempt: int = 1,
    ) -> None:
        """The processor and the issuer move money of an attempt."""
        item = "c1" if kind is MovementKind.CAPTURED else "r1"
        self.in_books(payment, at_s, kind, to=at, amount=minor, attempt=attempt, item=item)

    def decided(
        self, kind: DecisionKind, payment: str, at_s: float, link: str, **more: Any
    ) -> None:
        made = {"attempt": 1, "operation": "notify", "target": "shop", "detail": "", **more}
        self.records.append(Decision(link=link, kind=kind, at_ns=ns(at_s), payment=payment, **made))

    def books(self, payment: str, *, paid: bool, amount_minor: int = 0) -> None:
        kind = DecisionKind.BOOKED_PAID if paid else DecisionKind.BOOKED_UNPAID
        stated = "" if not amount_minor else "the order's amount"
        if amount_minor not in (0, 1_000):
            stated = "another amount"
        self.decided(
            kind,
            payment,
            99.0,
            "shop",
            attempt=0,
            operation="books",
            target="",
            detail=stated,
            amount_minor=amount_minor,
        )

    def paid(self, payment: str, at_s: float, **more: Any) -> None:
        """A payment in which everything is right."""
        self.pay(payment, at_s, **more)
        self.asked(payment, at_s + 0.1, key=f"k-{payment}")
        self.holds(payment, at_s + 0.1)

    def webhook(
        self,
        payment: str,
        at_s: float,
        result: str = "approved",
        *,
        forged: bool = False,
        signed_s: float = 0.001,
    ) -> None:
        """A webhook to the shop about the payment's approval, signed so long before it left."""
        name = f"{payment}-1 authorised"
        self.decided(DecisionKind.FOLLOW_UP_DUE, payment, at_s, A, detail=name)
        if forged:
            self.decided(
                DecisionKind.WEBHOOK_FORGED,
                payment,
                at_s + 0.002 - signed_s,
                A,
                detail=f"{name} try 1",
            )
        self.records.append(
            HopRecord(
                payment=payment,
                attempt=1,
                span=f"w{payment}",
                parent="",
                caller=A,
                operation="notify",
                callee="shop",
                route=0,
                try_number=1,
                started_ns=ns(at_s + 0.002),
                ended_ns=ns(at_s + 0.01),
                result=HopResult(result),
                code="",
            )
        )
        kind = DecisionKind.FOLLOW_UP_ABANDONED
        if result == "approved":
            kind = DecisionKind.FOLLOW_UP_ACKNOWLEDGED
        self.decided(kind, payment, at_s + 0.01, A, detail=f"{name} after 1 tries")


def broken(run: Shop, path: Path, chain: Chain = CHAIN) -> dict[str, list[str]]:
    """The payments that broke each rule."""
    store: RunStore = run.store(path, chain)
    return {
        rule.rule: [finding.payment for finding in rule.payments]
        for rule in money(store, chain).rules
        if rule.findings
    }


def test_a_shop_in_order_breaks_none(tmp_path: Path) -> None:
    run = Shop()
    run.paid("p1", 1.0)
    run.webhook("p1", 1.5)
    run.books("p1", paid=True, amount_minor=1_000)
    assert broken(run, tmp_path) == {}


def test_a_paid_order_without_money(tmp_path: Path) -> None:
    run = Shop()
    run.pay("p1", 1.0, 5.0, "timeout")
    run.books("p1", paid=True)
    assert broken(run, tmp_path) == {"paid_orders_have_money": ["p1"]}


def test_a_paid_order_whose_money_went_back(tmp_path: Path) -> None:
    run = Shop()
    for payment in ("p1", "p2"):
        run.paid(payment, 1.0)
        run.moves(payment, MovementKind.CAPTURED, 1.2)
        run.moves(payment, MovementKind.REFUNDED, 1.4, 1_000 if payment == "p1" else 400)
        run.books(payment, paid=True)
    assert broken(run, tmp_path) == {"paid_orders_have_money": ["p1"]}


def released(run: Shop, payment: str, at_s: float, order: str = "") -> None:
    """A payment that the customer sees approved at 2 s, and the shop's release of its hold."""
    run.pay(payment, 1.0, 1.0, order=order)
    run.asked(payment, 1.1)
    run.holds(payment, 1.15)
    run.asked(payment, at_s, operation="void", call="authorise", target="/void")
    run.in_books(payment, at_s + 0.02, "voided")


def test_an_order_that_the_shop_cancelled_after_its_approval_needs_no_money(tmp_path: Path) -> None:
    run = Shop()
    released(run, "p1", 4.0)
    run.books("p1", paid=False)
    # The customer pays the same order again.
    released(run, "p2", 4.0, order="o2")
    run.books("p2", paid=False)
    run.pay("p3", 6.0, order="o2")
    run.asked("p3", 6.1)
    run.holds("p3", 6.15)
    run.books("p3", paid=True)
    assert broken(run, tmp_path) == {}


def test_an_approval_whose_money_was_released_is_no_cancelled_order(tmp_path: Path) -> None:
    run = Shop()
    released(run, "p1", 4.0)  # as far as its own books say, the order is paid
    run.books("p1", paid=True)
    released(run, "p2", 1.4)  # before the customer saw the approval
    run.books("p2", paid=False)
    released(run, "p3", 4.0, order="o3")
    run.books("p3", paid=False)
    run.pay("p4", 6.0, order="o3")  # approved anew, and nothing is held for it
    run.books("p4", paid=False)
    assert broken(run, tmp_path) == {"no_approval_without_money": ["p1", "p2", "p4"]}


def test_without_books_nobody_knows_that_an_order_was_cancelled(tmp_path: Path) -> None:
    run = Shop()
    released(run, "p1", 4.0)
    assert broken(run, tmp_path, NO_BOOKS) == {"no_approval_without_money": ["p1"]}


def test_a_cancelled_order_whose_money_is_still_held_is_named(tmp_path: Path) -> None:
    run = Shop()
    run.paid("p1", 1.0)
    run.asked("p1", 4.0, operation="void", status=500, result="http_error")
    run.books("p1", paid=False)
    assert broken(run, tmp_path) == {"money_has_its_order": ["p1"]}


def test_money_without_a_paid_order(tmp_path: Path) -> None:
    run = Shop()
    run.paid("p1", 1.0)  # the customer was shown the approval
    run.books("p1", paid=False)
    assert broken(run, tmp_path) == {"money_has_its_order": ["p1"]}


def test_money_that_the_merchant_knows_of_is_no_orphan(tmp_path: Path) -> None:
    run = Shop()
    run.paid("p1", 1.0, took_s=5.0, result="timeout")  # the customer left before the answer
    run.books("p1", paid=True)
    assert broken(run, tmp_path) == {}


@pytest.mark.parametrize("amount_minor", [990, 100_000])
def test_an_amount_that_differs(tmp_path: Path, amount_minor: int) -> None:
    run = Shop()
    run.paid("p1", 1.0)
    run.books("p1", paid=True, amount_minor=amount_minor)
    run.paid("p2", 2.0)
    run.books("p2", paid=True, amount_minor=1_000)
    assert broken(run, tmp_path) == {"paid_orders_have_the_amount": ["p1"]}


def test_a_customer_who_saw_less_than_was_ordered_although_all_of_it_was_held(
    tmp_path: Path,
) -> None:
    run = Shop()
    for payment, shown_minor in (("p1", 10), ("p2", 1_000), ("p3", 0)):
        run.paid(payment, 1.0, shown_minor=shown_minor)
        run.books(payment, paid=True, amount_minor=shown_minor)
    # The books repeat the mistake, so that they fit what was captured: in major units.
    run.booked("p1", 2.0, "captured", to="issuer", amount=10)
    run.booked("p1", 2.0, "captured", amount=10)
    assert broken(run, tmp_path)["customer_saw_the_amount"] == ["p1"]


def test_a_customer_who_paid_in_parts_saw_all_of_them(tmp_path: Path) -> None:
    run = Shop()
    for payment, shown_minor in (("p1", 1_000), ("p2", 600)):
        run.pay(payment, 1.0, shown_minor=shown_minor)
        run.asked(payment, 1.1)
        run.asked(payment, 1.3, attempt=2)
        run.holds(payment, 1.1, minor=700)
        run.holds(payment, 1.3, attempt=2, minor=300)
        run.books(payment, paid=True, amount_minor=shown_minor)
    assert broken(run, tmp_path) == {
        "customer_saw_the_amount": ["p2"],
        "no_double_charge": ["p2"],  # two holds, for more than this customer agreed to
    }


@pytest.mark.parametrize(
    ("first", "second", "ends"),
    [
        (700, 300, {}),
        (700, 200, {"amounts_equal": ["p1"]}),
        (700, 1_000, {"no_double_charge": ["p1"], "amounts_equal": ["p1"]}),
        (700, None, {"amounts_equal": ["p1"]}),
    ],
)
def test_an_order_in_parts_has_its_amount_when_they_add_up(
    tmp_path: Path, first: int, second: int | None, ends: dict[str, list[str]]
) -> None:
    run = Shop()
    run.pay("p1", 1.0, shown_minor=1_000)
    run.asked("p1", 1.1)
    run.holds("p1", 1.1, minor=first)
    if second is not None:
        run.asked("p1", 1.3, attempt=2, to=B)
        run.holds("p1", 1.3, B, attempt=2, minor=second)
    assert broken(run, tmp_path, NO_BOOKS) == ends


_CAPTURED, _VOIDED, _EXPIRED = MovementKind.CAPTURED, MovementKind.VOIDED, MovementKind.EXPIRED


@pytest.mark.parametrize(
    ("second", "moves", "also"),
    [
        # Less of the first part is captured, and its rest is released.
        (300, [(1, _CAPTURED, 600), (1, _VOIDED, 100), (2, _CAPTURED, 300)], []),
        (200, [(1, _CAPTURED, 600), (1, _VOIDED, 100), (2, _CAPTURED, 200)], ["amounts_equal"]),
        (300, [(1, _CAPTURED, 700), (2, _EXPIRED, 300)], []),
        (300, [(1, _EXPIRED, 700), (2, _EXPIRED, 300)], []),
        (200, [(1, _EXPIRED, 700), (2, _EXPIRED, 200)], ["amounts_equal"]),
        # Nothing is left for the customer who saw an approval: that is for another rule.
        (300, [(1, _VOIDED, 700), (2, _VOIDED, 300)], ["no_approval_without_money"]),
        # A tip beyond the hold.
        (300, [(1, _CAPTURED, 770), (2, _CAPTURED, 300)], ["captured_within_authorised"]),
    ],
)
def test_parts_add_up_by_what_was_authorised_whatever_became_of_it(
    tmp_path: Path, second: int, moves: list[tuple[int, MovementKind, int]], also: list[str]
) -> None:
    run = Shop()
    run.pay("p1", 1.0, shown_minor=1_000)
    for attempt, to, minor in ((1, A, 700), (2, B, second)):
        run.asked("p1", 1.0 + attempt / 10, attempt=attempt, to=to)
        run.holds("p1", 1.0 + attempt / 10, to, attempt=attempt, minor=minor)
    for number, (attempt, kind, minor) in enumerate(moves):
        at = A if attempt == 1 else B
        run.moves("p1", kind, 1.5 + number / 10, minor, at=at, attempt=attempt)
    assert sorted(broken(run, tmp_path, NO_BOOKS)) == also


@pytest.mark.parametrize("is_given_back", [True, False])
def test_the_first_of_two_means_when_the_second_is_declined(
    tmp_path: Path, is_given_back: bool
) -> None:
    run = Shop()
    run.pay("p1", 1.0, result="declined")
    run.asked("p1", 1.1)
    run.holds("p1", 1.1, minor=300)
    run.asked("p1", 1.3, attempt=2, result="declined")
    if is_given_back:
        run.moves("p1", MovementKind.VOIDED, 1.5, 300)
    kept = ["no_charge_after_a_decline", "no_orphaned_authorisation"]
    assert sorted(broken(run, tmp_path, NO_BOOKS)) == ([] if is_given_back else kept)


@pytest.mark.parametrize("booked_minor", [1_000, 600, 400])
def test_the_amount_of_an_order_is_before_or_after_its_refunds(
    tmp_path: Path, booked_minor: int
) -> None:
    run = Shop()
    run.paid("p1", 1.0)
    run.moves("p1", MovementKind.CAPTURED, 1.2)
    run.moves("p1", MovementKind.REFUNDED, 1.4, 400)
    run.books("p1", paid=True, amount_minor=booked_minor)
    is_right = booked_minor in (1_000, 600)
    found = broken(run, tmp_path)
    assert found == ({} if is_right else {"paid_orders_have_the_amount": ["p1"]})


@pytest.mark.parametrize("booked_minor", [1_000, 2_000, 1_500])
def test_a_first_try_that_was_given_back_is_charged_or_not(
    tmp_path: Path, booked_minor: int
) -> None:
    run = Shop()
    run.paid("p1", 1.0)
    run.moves("p1", MovementKind.CAPTURED, 1.2)
    run.asked("p1", 1.3, attempt=2, to=B)
    run.holds("p1", 1.3, B, attempt=2)
    run.moves("p1", MovementKind.REFUNDED, 1.6)
    run.books("p1", paid=True, amount_minor=booked_minor)
    is_right = booked_minor in (1_000, 2_000)
    found = broken(run, tmp_path)
    assert found == ({} if is_right else {"paid_orders_have_the_amount": ["p1"]})


def test_an_order_that_was_lost_with_its_webhook(tmp_path: Path) -> None:
    run = Shop()
    run.paid("p1", 1.0)
    run.webhook("p1", 1.5, "http_error")
    run.books("p1", paid=False)
    found = broken(run, tmp_path)
    assert found.pop("no_order_lost_with_its_webhook") == ["p1"]
    assert "money_has_its_order" not in found  # the same money, and its reason is known


def forged(
    run: Shop, result: str, *, paid: bool = True, payment: str = "p1", signed_s: float = 0.001
) -> None:
    """The shop had no answer, and a webhook with an invalid signature came."""
    run.pay(payment, 1.0, 5.0, "timeout")
    run.sent(1.1, 1.0, ended_by="client", payment=payment, key=f"k-{payment}")
    run.holds(payment, 1.2)
    run.webhook(payment, 2.0, result, forged=True, signed_s=signed_s)
    run.books(payment, paid=paid)


def test_a_webhook_with_a_wrong_signature_that_paid_an_order(tmp_path: Path) -> None:
    run = Shop()
    forged(run, "approved")
    assert "no_forged_webhook_acted_on" in broken(run, tmp_path)


def test_a_webhook_with_a_wrong_signature_after_one_that_was_not_sent(tmp_path: Path) -> None:
    run = Shop()
    # What came was another one: it left long after this one was signed.
    forged(run, "approved", payment="p0", signed_s=0.4)
    assert not broken(run, tmp_path)
    forged(run, "approved")
    again = tmp_path / "again"
    again.mkdir()
    assert broken(run, again) == {"no_forged_webhook_acted_on": ["p1"]}


@pytest.mark.parametrize("operation", ["screen", "screen-b", "serve-captcha", "tokenise"])
def test_what_is_approved_before_a_payment_tells_nobody_that_it_was_paid(
    tmp_path: Path, operation: str
) -> None:
    run = Shop()
    forged(run, "approved")
    run.asked("p1", 1.05, to=B, operation=operation)
    assert broken(run, tmp_path)["no_forged_webhook_acted_on"] == ["p1"]


@pytest.mark.parametrize("operation", ["authorise", "query", "capture"])
def test_a_webhook_says_nothing_new_where_an_answer_has_told_of_the_payment(
    tmp_path: Path, operation: str
) -> None:
    run = Shop()
    forged(run, "approved")
    run.asked("p1", 1.9, operation=operation, key="k-p1")
    assert "no_forged_webhook_acted_on" not in broken(run, tmp_path)


@pytest.mark.parametrize("result", ["approved", "rejected"])
def test_a_webhook_with_a_wrong_signature_that_changed_nothing(tmp_path: Path, result: str) -> None:
    run = Shop()
    forged(run, result, paid=False)
    assert "no_forged_webhook_acted_on" not in broken(run, tmp_path)


def test_an_order_that_a_webhook_in_order_paid_after_a_forged_one_was_refused(
    tmp_path: Path,
) -> None:
    run = Shop()
    forged(run, "rejected")
    run.webhook("p1", 3.0)  # signed as it should be
    assert "no_forged_webhook_acted_on" not in broken(run, tmp_path)


def test_a_charge_after_a_decline_is_found_although_the_customer_pays_again(
    tmp_path: Path,
) -> None:
    run = Shop()
    run.pay("p1", 1.0, result="declined", order="o1")
    run.asked("p1", 1.1, key="k1", status=503, result="http_error")
    run.holds("p1", 1.1)
    run.pay("p2", 3.0, order="o1")
    run.asked("p2", 3.1, key="k2")
    run.holds("p2", 3.1)
    found = broken(run, tmp_path, NO_BOOKS)
    assert found["no_charge_after_a_decline"] == ["p1"]
    assert found["no_double_charge"] == ["p2"]
    assert "no_orphaned_authorisation" not in found


def test_a_single_charge_after_a_decline_is_found_whatever_the_books_have(tmp_path: Path) -> None:
    run = Shop()
    run.pay("p1", 1.0, result="declined")
    run.asked("p1", 1.1, key="k1")
    run.holds("p1", 1.1)
    run.books("p1", paid=True)
    assert broken(run, tmp_path)["no_charge_after_a_decline"] == ["p1"]


def test_what_was_declined_and_given_back_is_no_charge(tmp_path: Path) -> None:
    run = Shop()
    run.pay("p1", 1.0, result="declined")
    run.asked("p1", 1.1, key="k1")
    run.holds("p1", 1.1)
    run.in_books("p1", 2.0, "voided")
    run.pay("p2", 3.0, result="http_error")  # an error is no decline: the outcome is unknown
    run.asked("p2", 3.1, key="k2")
    run.holds("p2", 3.1)
    assert "no_charge_after_a_decline" not in broken(run, tmp_path, NO_BOOKS)


def test_one_key_for_two_payments_needs_no_books(tmp_path: Path) -> None:
    run = Shop()
    for payment, at_s in (("p1", 1.0), ("p2", 2.0)):
        run.pay(payment, at_s)
        run.asked(payment, at_s + 0.1, key="the same")
        run.holds(payment, at_s + 0.1)
    found = broken(run, tmp_path, NO_BOOKS)
    assert found == {"one_key_for_one_payment": ["p2"]}


def test_one_key_for_two_refunds_of_a_payment_is_named(tmp_path: Path) -> None:
    run = Shop()
    run.paid("p1", 1.0)
    run.records.append(
        Decision(
            link=A,
            kind=DecisionKind.KEY_SHARED,
            at_ns=ns(1.5),
            payment="p1",
            attempt=1,
            operation="refund",
            target="shop",
            detail="",
        )
    )
    rules = money(run.store(tmp_path, NO_BOOKS), NO_BOOKS).rules
    found = [each.text for rule in rules for each in rule.payments]
    assert found == [f"shop sent refund to {A} under the key of another refund"]


def test_the_same_key_at_two_links_is_two_keys(tmp_path: Path) -> None:
    run = Shop()
    run.paid("p1", 1.0)
    run.pay("p2", 2.0)
    run.asked("p2", 2.1, to=B, key="k-p1")
    run.holds("p2", 2.1, at=B)
    assert broken(run, tmp_path, NO_BOOKS) == {}


def test_rules_about_books_are_not_judged_without_any(tmp_path: Path) -> None:
    run = Shop()
    run.paid("p1", 1.0)
    judged = {rule.rule for rule in money(run.store(tmp_path, NO_BOOKS), NO_BOOKS).rules}
    assert "one_key_for_one_payment" in judged
    assert "paid_orders_have_money" not in judged


def captured(run: Shop, payment: str, at_s: float, item: str = "c1") -> None:
    """The processor has booked a capture of the payment's first attempt."""
    run.records.append(
        Movement(
            link=A,
            payment=payment,
            attempt=1,
            kind=MovementKind.CAPTURED,
            amount_minor=1_000 if item == "c1" else 0,
            currency="EUR",
            reference=f"{payment}-1",
            at_ns=ns(at_s),
            decided_by=A,
            item=item,
        )
    )


@pytest.mark.parametrize(
    ("second_at_s", "result", "key", "operation"),
    [
        (2.05, "rejected", "webhook", "capture"),  # while the first is in progress
        (3.0, "rejected", "", "capture"),  # when the first is done
        (3.0, "rejected", "webhook", "query"),  # Stripe sees by the intent that nothing is left
        (2.05, "approved", "webhook", "capture"),  # Adyen refuses it by a webhook
    ],
)
def test_return_page_and_webhook_that_both_capture(
    tmp_path: Path, second_at_s: float, result: str, key: str, operation: str
) -> None:
    run = Shop()
    for payment in ("p1", "p2"):
        run.paid(payment, 1.0)
        run.asked(payment, 2.0, 0.5, operation="capture", key=f"page-{payment}")
        captured(run, payment, 2.1)
    more = {"key": f"{key}-p1"} if key else {}
    more |= {"operation": operation, "target": "/v1/intents/pi_1/capture"}
    run.asked("p1", second_at_s, 0.1, result=result, **more)
    assert broken(run, tmp_path)["repeats_without_effect"] == ["p1"]


def test_captures_that_repeat_no_other(tmp_path: Path) -> None:
    run = Shop()
    for payment in ("same key", "after none", "after an error", "parts"):
        run.paid(payment, 1.0)
        captured(run, payment, 2.0)
    # An SDK's own repeat, while the first is still in progress.
    run.asked("same key", 2.0, 0.5, operation="capture", key="k")
    run.asked("same key", 2.1, 0.1, operation="capture", key="k", result="rejected")
    # The first was executed, but nobody knew.
    run.asked("after none", 2.0, 0.5, operation="capture", key="k1", result="timeout", status=0)
    run.asked("after none", 3.0, 0.1, operation="capture", key="k2", result="rejected")
    run.asked("after an error", 2.0, 0.5, operation="capture", status=503, result="http_error")
    run.asked("after an error", 3.0, 0.1, operation="capture")
    captured(run, "parts", 3.0, "c2")
    run.asked("parts", 2.0, 0.5, operation="capture", key="c1")
    run.asked("parts", 2.2, 0.5, operation="capture", key="c2")
    assert "repeats_without_effect" not in broken(run, tmp_path)
