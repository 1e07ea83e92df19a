"""Transfers that are deemed to be made: sound under every fault, each twin wrong in one way."""

from __future__ import annotations

import asyncio
from itertools import cycle, product
from pathlib import Path

import pytest

from paychain.faults.kinds.decline import Decline
from paychain.faults.kinds.late_credit import LateCredit
from paychain.faults.kinds.lost_answer import LostAnswer
from paychain.model.files import available
from paychain.model.loading import load_chain
from paychain.model.places import InLinkPlace
from paychain.payments.instrument import published
from paychain.payments.journal import HopRecord, Movement, MovementKind
from paychain.payments.outcome import HopResult
from paychain.services.in_link_faults import ActiveFault
from tests.integration.test_bank_transfers import booked, experiment
from tests.integration.test_shipped_pairs import in_virtual_time
from tests.support.shared_runs import Pair
from tests.support.standard_faults import FAULTS, standard
from tests.support.tiers import only
from tests.support.virtual_links import VirtualLinks, on_links
from tests.support.virtual_runs import judged, run_virtually

CHAIN = available("chain")["upi-payment"].read_text()
LINKS = list(load_chain("upi-payment").model.links)
DEEMED, LATE, TWICE = "deemed-transfers", "late-credits", "credits-twice"
# Whoever reports another outcome than there is: its callers have nothing else to believe.
LIES = {
    ("payer-bank", "stale-answer"),
    *((link, "wrong-answer") for link in LINKS),
}
OF_PAYEES_BANKS = {
    "deemed: {returns: 50%}": "sent on",
    "late_credit: {after: 30s}": "returned",
    "late_credit: {after: 3s}": "credited",
    "double_credit: {}": "taken back",
}


@pytest.mark.parametrize(
    ("pair", "rules"),
    [
        *((("upi-payment", story), set()) for story in (DEEMED, LATE, TWICE)),
        (("upi-payment-keeps-returned", LATE), {"debit_equals_credit"}),
        (("upi-payment-keeps-returned", DEEMED), set()),
        (("upi-payment-double-credit", TWICE), {"debit_equals_credit"}),
        (("upi-payment-double-credit", LATE), set()),
        (("upi-payment-deemed-failed", DEEMED), {"debit_equals_credit"}),
        (("upi-payment-deemed-failed", TWICE), set()),
        (("upi-payment-deemed-paid", DEEMED), {"reported_once_and_right"}),
        (("upi-payment-deemed-paid", TWICE), set()),
    ],
    ids=lambda value: "-on-".join(reversed(value)) if isinstance(value, tuple) else "",
)
def test_each_twin_is_wrong_in_its_own_way(tmp_path: Path, pair: Pair, rules: set[str]) -> None:
    found = judged(in_virtual_time(pair, tmp_path))
    assert set(found) == rules
    assert all(count > 2 for count in found.values())


def test_what_is_deemed_is_credited_or_the_payer_has_the_money_back(tmp_path: Path) -> None:
    assert judged(in_virtual_time(("upi-payment", DEEMED), tmp_path)) == {}
    kinds = booked(tmp_path)
    assert kinds["reserved"] == kinds["spent"]
    assert kinds["reversed"] > 3
    assert kinds["credited"] == kinds["spent"] - kinds["reversed"]


def test_a_second_credit_is_taken_back(tmp_path: Path) -> None:
    assert judged(in_virtual_time(("upi-payment", TWICE), tmp_path)) == {}
    kinds = booked(tmp_path)
    assert kinds["taken_back"] > 10
    assert kinds["credited"] - kinds["taken_back"] == kinds["spent"] - kinds["reversed"]


@pytest.mark.parametrize(("after_s", "is_credited"), [(25, False), (6, True)])
def test_a_credit_counts_if_it_comes_before_its_confirmation(
    tmp_path: Path, after_s: int, is_credited: bool
) -> None:
    text = experiment(f"target: {{link: payee-bank}}, late_credit: {{after: {after_s}s}}")
    assert judged(run_virtually(tmp_path, CHAIN, text)) == {}
    kinds = booked(tmp_path)
    assert kinds["spent"] > 100
    assert kinds["credited"] == kinds["spent"] - kinds["reversed"]
    assert (kinds["reversed"] < 5) == is_credited


def test_a_payer_is_debited_at_once_and_the_status_is_checked_three_times() -> None:
    """As long as the payee's bank does not know the payer's bank asks three times, and waits."""
    text = CHAIN.replace("confirmed_after: 8s", "confirmed_after: 1d").replace(
        "settles_within: 90s", "settles_within: 2d"
    )

    async def work(links: VirtualLinks) -> None:
        places = (InLinkPlace("payee-bank"),)
        links.host.faults.apply(
            ActiveFault(id="f", parameters=LateCredit.model_validate({"after": "1d"}), spots=places)
        )
        reply = await links.pay(card=published("UPI")[0])
        assert reply.result is HopResult.UNKNOWN
        await asyncio.sleep(60)
        kinds = [each.kind for each in links.of(Movement)]
        assert kinds == [MovementKind.RESERVED, MovementKind.SPENT]
        asked = [each for each in links.of(HopRecord) if each.operation == "query"]
        assert len([each for each in asked if each.callee == "switch"]) == 3

    on_links(text, work)


def test_a_transfer_that_failed_for_a_technical_reason_is_reversed() -> None:
    """Its answer was lost, and the status checks say 91, which only a confirmation makes final."""
    faults = {"payee-bank": Decline(code="91"), "switch": LostAnswer(first=1)}

    async def work(links: VirtualLinks) -> None:
        for link, fault in faults.items():
            spots = (InLinkPlace(link),)
            links.host.faults.apply(ActiveFault(id=link, parameters=fault, spots=spots))
        await links.pay(card=published("UPI")[0])
        await asyncio.sleep(60)
        kinds = [each.kind for each in links.of(Movement)]
        assert kinds == [MovementKind.RESERVED, MovementKind.SPENT, MovementKind.REVERSED]
        asked = [each for each in links.of(HopRecord) if each.operation == "confirm"]
        assert len(asked) == 1

    on_links(CHAIN, work)


@pytest.mark.parametrize("fault", OF_PAYEES_BANKS)
def test_a_clearing_that_rejects_has_everything_taken_back(tmp_path: Path, fault: str) -> None:
    chain = available("chain")["sepa-instant"].read_text()
    text = experiment(f"target: {{link: payee-bank}}, {fault}")
    assert judged(run_virtually(tmp_path, chain, text)) == {}
    kinds = booked(tmp_path)
    assert kinds["credited"] - kinds["taken_back"] == kinds["spent"] + kinds["covered"]


# Every link under some fault, and every third fault in some link.
KEPT = set(list(zip(sorted(FAULTS), cycle(LINKS)))[::3])


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "link"), only(KEPT, product(sorted(FAULTS), LINKS)))
def test_a_sound_transfer_keeps_its_rules_under_every_fault(
    tmp_path: Path, fault: str, link: str
) -> None:
    text = standard(fault, link, after="25s")
    found = judged(run_virtually(tmp_path, CHAIN, text))
    assert not found or (link, fault) in LIES, found
