"""Transfers that are deemed to be made: sound under every fault, each twin wrong in one way."""

from __future__ import annotations

import asyncio
import re
from itertools import cycle, product
from pathlib import Path

import pytest

from paychain.faults.kinds.decline import Decline
from paychain.faults.kinds.deemed import Deemed
from paychain.faults.kinds.late_credit import LateCredit
from paychain.faults.kinds.lost_answer import LostAnswer
from paychain.model.files import available
from paychain.model.loading import load_chain
from paychain.model.places import InLinkPlace
from paychain.payments.instrument import published
from paychain.payments.journal import Decision, DecisionKind, HopRecord, Movement, MovementKind
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


UNCONFIRMED = CHAIN.replace("    deemed: {confirmed_after: 8s}   # a day in reality\n", "").replace(
    "settles_within: 90s", "settles_within: 5d"
)


@pytest.mark.parametrize(
    ("is_credited", "rule"), [(True, "reported_once_and_right"), (False, "debit_equals_credit")]
)
def test_what_nobody_confirms_in_the_rails_time_stays_pending(is_credited: bool, rule: str) -> None:
    """The payee's bank has credited or not, and never says so: that is for people to settle.

    Its bank asks when the confirmation is due, a day after it, and not again.
    """

    async def work(links: VirtualLinks) -> None:
        fault = Deemed.model_validate({"returns": "0%" if is_credited else "100%"})
        spots = (InLinkPlace("payee-bank"),)
        links.host.faults.apply(ActiveFault(id="f", parameters=fault, spots=spots))
        await links.pay(card=published("UPI")[0])
        await asyncio.sleep(60)
        links.host.faults.apply(ActiveFault(id="g", parameters=LostAnswer(), spots=spots))
        asked = []
        for _ in range(6):
            await asyncio.sleep(86_400 + 120)  # each is sent for a minute
            sent = [each for each in links.of(Decision) if each.operation == "confirm"]
            asked.append(
                sum(
                    each.link == "payer-bank" and each.kind is DecisionKind.FOLLOW_UP_SENT
                    for each in sent
                )
            )
        assert asked == [1, 2, 2, 2, 2, 2]
        kinds = [each.kind for each in links.of(Movement) if each.link == "payer-bank"]
        assert kinds == [MovementKind.RESERVED, MovementKind.SPENT]
        again = await links.pay(card=published("UPI")[0])
        assert again.result is HopResult.UNKNOWN
        await links.drain()
        links.journal.pop()  # the customer's second try is the same payment
        # Its payer's money is gone, and nobody knows for what.
        open_rules = {"authorisations_settled", "no_orphaned_authorisation"}
        assert set(links.broken()) == {rule, *open_rules}

    on_links(UNCONFIRMED, work)


@pytest.mark.parametrize("fault", ["deemed: {returns: 50%}", "lost_answer: {}", "down: {}"])
def test_nothing_is_left_open_where_nobody_queries(tmp_path: Path, fault: str) -> None:
    """A rail that deems has an outcome without queries: the payee's bank confirms or returns."""
    asks = re.compile(r" +on_unknown: query.*\n +query: .*\n")
    assert len(asks.findall(CHAIN)) == 2
    for link in ("payee-bank", "switch"):
        if link == "switch" and fault.startswith("deemed"):
            continue
        text = experiment(f"target: {{link: {link}}}, {fault}")
        assert judged(run_virtually(tmp_path / link, asks.sub("", CHAIN), text)) == {}
        assert booked(tmp_path / link)["spent"] > 100
