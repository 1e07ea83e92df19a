"""Rules about deposits and purchases: each planted bug gives exactly its own finding."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paychain.payments.journal import Decision, DecisionKind, Movement, MovementKind
from paychain.payments.money import PRICE_UNIT, coins_for, worth_of
from paychain.payments.outcome import Outcome
from paychain.payments.rules import RULES, Finding, Reconciled, authorisations
from paychain.payments.rules.on_chain import ON_LEDGERS, on_chain
from tests.unit.payments.test_payout_rules import customer

AMOUNT = 5_000_000
K = MovementKind
SENT = "p1-1.depositors.1"


def move(kind: MovementKind, at_ns: int, link: str, reference: str, **more: Any) -> Movement:
    values = {"amount_minor": AMOUNT, "currency": "USDC", **more}
    return Movement(
        link=link,
        payment="p1",
        attempt=1,
        kind=kind,
        reference=reference,
        at_ns=at_ns,
        decided_by=link,
        **values,
    )


def came(at_ns: int, kind: MovementKind = K.TRANSFERRED, **more: Any) -> Movement:
    return move(kind, at_ns, "base", **{"reference": SENT, "leg": "in", **more})


def credited(at_ns: int, **more: Any) -> Movement:
    return move(K.CREDITED, at_ns, "exchange", **{"reference": SENT, "leg": "out", **more})


def decision(kind: DecisionKind, at_ns: int, operation: str, detail: str) -> Decision:
    return Decision(
        link="depositors",
        kind=kind,
        at_ns=at_ns,
        payment="p1",
        attempt=1,
        operation=operation,
        target="",
        detail=detail,
    )


SIGNED = decision(DecisionKind.SIGNED, 100, "pay", SENT)
REPORTED = decision(DecisionKind.REPORTED, 800, "pay", "approved")


def found(
    movements: list[Movement],
    decisions: list[Decision],
    outcome: Outcome = Outcome.APPROVED,
    *,
    max_age: int = 500,
    settling: str = "exchange",
    scale: int = 1,
) -> dict[str, Finding]:
    payment = Reconciled(
        payment="p1",
        amount_minor=AMOUNT,
        currency="USDC",
        shown_approved=outcome is Outcome.APPROVED,
        authorisations=authorisations([each for each in movements if each.kind not in ON_LEDGERS]),
        settling=frozenset({settling}),
        price_ages={"depositors": max_age},
        quote_times={"depositors": 100},
        price_bounds={"depositors": (PRICE_UNIT // 2, 2 * PRICE_UNIT)},
        on_chain=on_chain(
            customer(outcome), movements, decisions, settling=frozenset({settling}), scale=scale
        ),
    )
    broken = {name: rule(payment) for name, rule in RULES.items()}
    return {name: each for name, each in broken.items() if each is not None}


def amounts(findings: dict[str, Finding]) -> dict[str, int]:
    return {name: each.amount_minor for name, each in findings.items()}


def test_a_deposit_that_went_as_it_should_breaks_nothing() -> None:
    assert found([came(300), credited(700)], [SIGNED, REPORTED]) == {}
    # The front end was away: the customer saw nothing, and can look later.
    assert found([came(300), credited(700)], [SIGNED, REPORTED], Outcome.UNKNOWN) == {}
    # Undone before it was credited, and mined again.
    again = [came(300), came(400, K.UNDONE), came(450), credited(700)]
    assert found(again, [SIGNED, REPORTED]) == {}
    # A part that is too small for the exchange is credited as it came.
    less = [came(300, amount_minor=7), credited(700, amount_minor=7)]
    assert found(less, [SIGNED, REPORTED]) == {}


def test_a_transfer_that_is_undone_after_its_credit_was_credited_too_early() -> None:
    early = [came(300), credited(350), came(400, K.UNDONE)]
    for movements in (early, [*early, came(450)]):
        findings = found(movements, [SIGNED, REPORTED])
        # Where it never comes back its place in the sequence is missing, too.
        findings.pop("sequence_without_gaps", None)
        assert amounts(findings) == {"no_credit_before_final": AMOUNT}
    text = findings["no_credit_before_final"].text
    assert text == f"5.000000 USDC credited for {SENT}, which was undone afterwards"


@pytest.mark.parametrize(
    ("movements", "wrong", "text"),
    [
        ([credited(200), came(300)], AMOUNT, "in no block"),
        ([credited(200, reference="nobody-1"), came(300), credited(400)], AMOUNT, "in no block"),
        ([came(300), came(400, K.UNDONE), credited(450), came(500)], AMOUNT, "in no block"),
        ([came(300, amount_minor=AMOUNT - 3), credited(700)], 3, "which was 4.999997 USDC"),
    ],
)
def test_what_is_credited_has_a_transfer(movements: list[Movement], wrong: int, text: str) -> None:
    findings = found(movements, [SIGNED, REPORTED])
    assert amounts(findings) == {"no_credit_without_transfer": wrong}
    assert text in findings["no_credit_without_transfer"].text


def test_a_transfer_is_credited_once() -> None:
    findings = found([came(300), credited(700), credited(750)], [SIGNED, REPORTED])
    assert amounts(findings) == {"credited_once": AMOUNT}
    assert findings["credited_once"].text == f"{SENT} credited 2 times"


def test_a_deposit_that_nobody_credits_is_found() -> None:
    findings = found([came(300)], [SIGNED], Outcome.UNKNOWN)
    assert set(findings) == {"deposits_credited", "reported_once_and_right"}
    assert findings["deposits_credited"].amount_minor == AMOUNT


# -- purchases: a card pays, an asset of four more digits is sent --------------------------------
CARD = "p1-1"
COINS = "p1-1.asset.wallet.1"


def card(kind: MovementKind, at_ns: int, **more: Any) -> Movement:
    return move(kind, at_ns, "issuer", **{"reference": CARD, **more})


def coins(at_ns: int, name: str = COINS, kind: MovementKind = K.TRANSFERRED) -> Movement:
    amount = AMOUNT * 10_000
    return move(kind, at_ns, "base", name, leg="out", amount_minor=amount, currency="EURC")


HELD, TAKEN = card(K.AUTHORISED, 50), card(K.CAPTURED, 700, item="c1")
COINS_SIGNED = decision(DecisionKind.SIGNED, 100, "transfer", COINS)


def bought(
    movements: list[Movement], decisions: list[Decision], outcome: Outcome = Outcome.APPROVED
) -> dict[str, int]:
    return amounts(found(movements, decisions, outcome, settling="issuer", scale=10_000))


def test_a_purchase_that_went_as_it_should_breaks_nothing() -> None:
    assert bought([HELD, coins(300), TAKEN], [COINS_SIGNED, REPORTED]) == {}
    # The wallet has declined: nothing was signed, and the hold is released.
    declined = decision(DecisionKind.REPORTED, 800, "transfer", "declined")
    released = [HELD, card(K.VOIDED, 200)]
    assert bought(released, [declined], Outcome.DECLINED) == {}
    # A first attempt was reversed, and the second one pays.
    second = [card(K.AUTHORISED, 90, reference="p1-2"), card(K.CAPTURED, 700, reference="p1-2")]
    movements = [HELD, card(K.VOIDED, 80), second[0], coins(300), second[1]]
    assert bought(movements, [COINS_SIGNED, REPORTED]) == {}


def test_a_card_that_is_captured_for_nothing_does_not_balance() -> None:
    assert bought([HELD, TAKEN], []) == {"legs_balance": AMOUNT}


def test_coins_without_a_card_that_pays_do_not_balance() -> None:
    assert bought([HELD, coins(300)], [COINS_SIGNED, REPORTED]) == {"legs_balance": AMOUNT}


def test_coins_that_are_sent_twice_are_found_once() -> None:
    again = f"{CARD}.asset.wallet.2"
    signs = [COINS_SIGNED, decision(DecisionKind.SIGNED, 200, "transfer", again), REPORTED]
    assert bought([HELD, coins(300), coins(400, again), TAKEN], signs) == {"sent_once": AMOUNT}


def test_coins_that_are_sent_before_the_card_is_held_have_no_funding() -> None:
    late = card(K.AUTHORISED, 200)
    found_late = bought([late, coins(300), TAKEN], [COINS_SIGNED, REPORTED])
    assert found_late == {"no_payout_without_funding": AMOUNT}


def test_a_hold_that_is_released_after_signing_is_found() -> None:
    released = [HELD, card(K.VOIDED, 200), coins(300)]
    assert "reservation_kept_until_dead" in bought(released, [COINS_SIGNED, REPORTED])


def quoted(since_ns: int, price: int = PRICE_UNIT) -> Decision:
    return decision(DecisionKind.QUOTED, 60, "quote", f"{price} since {since_ns}")


def test_coins_balance_at_the_price_that_they_were_sold_at() -> None:
    half = coins(300)
    half = msgspec.structs.replace(half, amount_minor=half.amount_minor // 2)
    twice = [quoted(50, 2 * PRICE_UNIT), COINS_SIGNED, REPORTED]
    assert bought([HELD, half, TAKEN], twice) == {}
    assert bought([HELD, half, TAKEN], twice[1:]) == {"legs_balance": AMOUNT // 2}


def test_a_price_outside_its_bounds_is_found_however_new_it_is() -> None:
    # The bounds are a half and two: at three, a third of the coins; at a tenth, ten times as many.
    for price, sent, text in ((3.0, 1 / 3, "price of 3;"), (0.1, 10, "price of 0.1;")):
        asset = coins(300)
        asset = msgspec.structs.replace(asset, amount_minor=round(asset.amount_minor * sent))
        new = quoted(50, round(price * PRICE_UNIT))
        broken = found(
            [HELD, asset, TAKEN], [new, COINS_SIGNED, REPORTED], settling="issuer", scale=10_000
        )
        assert amounts(broken) == {"price_within_bounds": AMOUNT}
        assert text in broken["price_within_bounds"].text
        assert "its bounds are 0.5 and 2" in broken["price_within_bounds"].text
        # Nothing was sold at it.
        assert bought([], [new], Outcome.DECLINED) == {}


def test_a_price_that_is_older_than_its_limit_is_stale() -> None:
    sound = [HELD, coins(300), TAKEN]
    assert bought(sound, [quoted(-440), COINS_SIGNED, REPORTED]) == {}
    assert bought(sound, [quoted(-441), COINS_SIGNED, REPORTED]) == {"no_stale_price": AMOUNT}
    # Nothing was sold at it.
    assert bought([], [quoted(-441)], Outcome.DECLINED) == {}


def test_a_quote_that_was_paid_too_late_is_not_kept() -> None:
    signed = decision(DecisionKind.SIGNED, 250, "transfer", COINS)

    def sold(*holds: Movement) -> dict[str, int]:
        return bought([*holds, coins(300), TAKEN], [quoted(50), signed, REPORTED])

    in_time, late = card(K.AUTHORISED, 160), card(K.AUTHORISED, 161)
    assert sold(in_time) == {}
    assert sold(late) == {"quote_kept": AMOUNT}
    # What was released paid for nothing, and the hold that came in time did.
    released = card(K.AUTHORISED, 200, reference="p1-2"), card(K.VOIDED, 220, reference="p1-2")
    assert sold(in_time, *released) == {}
    # Nothing was sold: its hold is released.
    assert bought([late, card(K.VOIDED, 200)], [quoted(50)], Outcome.DECLINED) == {}


@given(
    st.integers(1, 10**9),
    st.sampled_from([10**4, 10**6, 10**7]),
    st.integers(PRICE_UNIT // 100, PRICE_UNIT * 100),
)
def test_what_is_bought_is_worth_what_it_cost(amount: int, scale: int, price: int) -> None:
    assert worth_of(coins_for(amount, scale, price), scale, price) == amount
