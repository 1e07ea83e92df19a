"""A rail is data: it agrees with what the journal calls the same things."""

from __future__ import annotations

from typing import get_args

import pytest

from paychain.model.accounts import AccountSettings
from paychain.model.operations import MOVES_MONEY, REVERSIBLE
from paychain.payments.accounts import EXAMPLES, Account
from paychain.payments.cards import TEST_CARDS
from paychain.payments.instrument import published
from paychain.payments.journal import VERB, MovementKind, Verb
from paychain.payments.rails import ACCOUNT, AT_ONCE, CARD, LEDGER, Finality, account_rails


def test_an_operation_of_a_card_makes_the_movement_of_its_name() -> None:
    made = {
        "authorise": MovementKind.AUTHORISED,
        "void": MovementKind.VOIDED,
        "capture": MovementKind.CAPTURED,
        "refund": MovementKind.REFUNDED,
    }
    assert CARD.makes == {operation: VERB[kind] for operation, kind in made.items()}
    assert set(VERB) == set(MovementKind)


def test_only_what_is_held_can_be_reversed() -> None:
    assert {"authorise", "capture", "refund", "transfer", "recall"} == MOVES_MONEY
    assert {"authorise"} == REVERSIBLE
    assert {kind.sign for kind in MovementKind if kind.verb is Verb.HOLD} == {1}


def test_a_transfer_is_sent_again_and_never_reversed() -> None:
    assert LEDGER.makes == {"transfer": Verb.MOVE}
    assert LEDGER.on_unknown[0] == "resend"
    assert "reverse" not in LEDGER.on_unknown
    assert CARD.on_unknown[0] == "reverse"


def test_a_move_is_final_at_once_after_blocks_or_after_a_time() -> None:
    assert AT_ONCE.is_at_once
    assert AT_ONCE.is_final(blocks_since=0, seconds_since=0.0)
    after = Finality(after_blocks=10)
    assert not after.is_final(blocks_since=9, seconds_since=1e6)
    assert after.is_final(blocks_since=10, seconds_since=0.0)
    until = Finality(until_s=60.0)
    assert not until.is_final(blocks_since=10**6, seconds_since=59.9)
    assert until.is_final(blocks_since=0, seconds_since=60.0)


def test_a_transfer_to_an_account_is_queried_and_each_of_its_limits_leaves_time_for_the_next() -> (
    None
):
    assert ACCOUNT.on_unknown[0] == "query"
    # In seconds, as the rail has them: payee's bank, clearing, payer's bank, end of the hold.
    sct_inst = account_rails()["sct-inst"]
    assert (sct_inst.payee_answers, sct_inst.clearing_rejects) == (5, 7)
    assert (sct_inst.payer_learns, sct_inst.hold_ends) == (9, 10)
    assert sct_inst.recall_days == {"duplicate": 14, "technical": 14, "fraud": 395}
    assert sct_inst.recall_s("fraud") == 395 * 86_400
    declarable = get_args(get_args(AccountSettings.model_fields["rail"].annotation)[0])
    assert set(declarable) == set(account_rails())


@pytest.mark.parametrize("iban", EXAMPLES)
def test_an_example_account_has_the_check_digits_of_an_iban(iban: str) -> None:
    # ISO 13616: the first four characters behind the others, letters as 10 to 35, modulo 97.
    digits = "".join(str(int(character, 36)) for character in iban[4:] + iban[:4])
    assert int(digits) % 97 == 1


def test_who_pays_to_accounts_pays_to_the_published_ones() -> None:
    accounts = published("SCT Inst")
    assert [each.number for each in accounts] == list(EXAMPLES)
    assert all(isinstance(each, Account) and each.group == "SCT Inst" for each in accounts)
    assert accounts[2].masked == "DE8937…3000"
    assert published("") == TEST_CARDS
    addresses = published("UPI")
    assert len(addresses) > 1
    assert all("@" in each.number and each.group == "UPI" for each in addresses)


def test_a_rail_that_deems_debits_at_once_and_has_its_word_later() -> None:
    upi = account_rails()["upi"]
    assert upi.deems
    assert upi.hold_ends is None
    # NPCI: 15 s, then three status checks after 45 s; RBI: returned by the next day.
    assert (upi.payee_answers, upi.query_after, upi.queries) == (15, 45, 3)
    assert upi.confirms_within == 86_400
    assert not account_rails()["sct-inst"].deems
