"""Transfers between banks: sound under every fault, each twin wrong in one way."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from itertools import cycle, product
from pathlib import Path

import pytest

from paychain.model.files import available
from paychain.model.loading import load_chain
from paychain.payments.instrument import published
from paychain.payments.journal import Movement, MovementKind
from paychain.payments.outcome import HopResult
from tests.integration.test_shipped_pairs import in_virtual_time
from tests.support.cli import paychain
from tests.support.runs import broken_rules, result_of
from tests.support.shared_runs import Pair
from tests.support.standard_faults import FAULTS, standard
from tests.support.tiers import only
from tests.support.virtual_links import VirtualLinks, on_links
from tests.support.virtual_runs import judged, run_virtually, selected

CHAIN = available("chain")["sepa-instant"].read_text()
LINKS = list(load_chain("sepa-instant").model.links)
LATE, SLOW = "confirmed-after-ten-seconds", "slow-payee-bank"
# Whoever reports another outcome than there is: its callers have nothing else to believe.
LIES = {
    ("payer-bank", "stale-answer"),
    *((link, "wrong-answer") for link in LINKS),
}


def experiment(fault: str, *, lasts: str = "3s") -> str:
    return (
        "experiment: mine\ntolerances: {}\n"
        "load: {arrivals: 6/s, warm_up: 0s, before: 1s, after: 22s}\n"
        f"faults:\n  - {{id: f, at: 0s, for: {lasts}, {fault}}}\n"
    )


def booked(folder: Path) -> Mapping[str, int]:
    """How many movements of each kind there are."""
    return Counter(kind for (kind,) in selected(folder, "SELECT kind FROM movement"))


@pytest.mark.parametrize(
    ("pair", "rules"),
    [
        (("sepa-instant", LATE), set()),
        (("sepa-instant", SLOW), set()),
        (("sepa-instant-late-dropped", LATE), {"held_not_lost"}),
        (("sepa-instant-late-dropped", SLOW), set()),
        (("sepa-instant-keeps-rejected", LATE), set()),
        (("sepa-instant-keeps-rejected", SLOW), {"debit_equals_credit"}),
    ],
    ids=lambda value: "-on-".join(reversed(value)) if isinstance(value, tuple) else "",
)
def test_each_twin_is_wrong_in_its_own_way(tmp_path: Path, pair: Pair, rules: set[str]) -> None:
    found = judged(in_virtual_time(pair, tmp_path))
    assert set(found) == rules
    assert all(count > 10 for count in found.values())


RECALLS = available("chain")["sepa-instant-recalls"].read_text()


def test_what_is_recalled_is_returned_once_or_refused(tmp_path: Path) -> None:
    for name in ("steady", "recalls-unanswered"):
        folder = tmp_path / name
        folder.mkdir()
        assert judged(in_virtual_time(("sepa-instant-recalls", name), folder)) == {}
        legs = selected(folder, "SELECT leg FROM movement WHERE kind = 'returned'")
        returned = Counter(leg for (leg,) in legs)
        (refused,) = selected(
            folder,
            "SELECT count(*) FROM decision WHERE kind = 'follow_up_refused'"
            " AND link = 'payer-bank' AND operation = 'recall'",
        )
        assert returned["in"] == returned["out"] > 20, name
        assert refused[0] > 3, name


@pytest.mark.parametrize(("reason", "is_returned"), [("duplicate", False), ("fraud", True)])
def test_a_recall_that_is_too_late_for_its_reason_returns_nothing(
    reason: str, is_returned: bool
) -> None:
    assert "share: 30%, after: 5s, reason: duplicate" in RECALLS
    late = RECALLS.replace(
        "share: 30%, after: 5s, reason: duplicate", f"share: 100%, after: 15d, reason: {reason}"
    ).replace("agrees: 80%", "agrees: 100%")

    async def work(links: VirtualLinks) -> None:
        reply = await links.pay(card=published("SCT Inst")[0])
        assert reply.result is HopResult.APPROVED
        await asyncio.sleep(14.9 * 86_400)
        assert not returned(links)
        await asyncio.sleep(86_400)
        assert len(returned(links)) == (2 if is_returned else 0)
        assert links.broken() == {}

    def returned(links: VirtualLinks) -> list[Movement]:
        return [each for each in links.of(Movement) if each.kind is MovementKind.RETURNED]

    on_links(late, work)


@pytest.mark.slow
@pytest.mark.parametrize("link", LINKS)
def test_recalls_end_whichever_link_crashes_or_loses_its_answers(tmp_path: Path, link: str) -> None:
    for fault in ("lost_answer: {}", "crash: {}", "down: {}"):
        text = experiment(f"target: {{link: {link}}}, {fault}").replace("at: 0s", "at: 6s")
        assert judged(run_virtually(tmp_path / fault[:4], RECALLS, text)) == {}, fault


def test_a_late_confirmation_debits_the_payer_or_the_payers_bank(tmp_path: Path) -> None:
    assert judged(in_virtual_time(("sepa-instant", LATE), tmp_path)) == {}
    kinds = booked(tmp_path)
    # Every hold that ended was confirmed afterwards, and somebody has paid for it.
    assert kinds["expired"] > 10
    assert kinds["covered"] > 0
    assert kinds["reserved"] - kinds["freed"] - kinds["expired"] == kinds["spent"]
    assert kinds["spent"] + kinds["covered"] == kinds["credited"]


def test_a_late_credit_is_taken_back_and_its_hold_is_freed(tmp_path: Path) -> None:
    assert judged(in_virtual_time(("sepa-instant", SLOW), tmp_path)) == {}
    kinds = booked(tmp_path)
    assert kinds["taken_back"] > 10
    assert kinds["credited"] - kinds["taken_back"] == kinds["spent"]
    assert kinds["expired"] == 0


def test_what_arrives_after_its_rejection_is_not_credited(tmp_path: Path) -> None:
    late = experiment("target: {link: payee-bank}, late_answer: {delay: 8s}")
    assert judged(run_virtually(tmp_path, CHAIN, late)) == {}
    kinds = booked(tmp_path)
    assert kinds["freed"] > 10
    assert kinds["taken_back"] == 0
    assert kinds["credited"] == kinds["spent"]


def test_what_the_clearing_does_not_know_when_it_is_queried_it_rejects_afterwards(
    tmp_path: Path,
) -> None:
    # The clearing begins its work after 12 s, and is queried after 10 s: it knows of nothing then.
    late = experiment("target: {link: clearing}, late_answer: {delay: 12s}")
    result = run_virtually(tmp_path, CHAIN, late)
    assert judged(result) == {}
    kinds = booked(tmp_path)
    assert kinds["expired"] > 10
    rejected = kinds["freed"] + kinds["expired"]
    assert kinds["credited"] == kinds["spent"] == kinds["reserved"] - rejected


def test_what_the_clearing_does_not_know_is_over_with_the_first_query(tmp_path: Path) -> None:
    # The bank stops to wait after 9 s and asks after 10 s; the transfer begins after 12 s.
    late = experiment("target: {link: clearing}, late_answer: {delay: 12s}")
    assert judged(run_virtually(tmp_path, CHAIN, late)) == {}
    asked = "SELECT count(*) FROM decision WHERE kind = 'query' GROUP BY payment"
    queries = selected(tmp_path, asked)
    told_after_s = [
        ns / 1e9
        for (ns,) in selected(
            tmp_path,
            "SELECT told.at_ns - asked.at_ns FROM decision AS told "
            "JOIN decision AS asked ON asked.payment = told.payment AND asked.kind = 'query' "
            "WHERE told.kind = 'reported'",
        )
    ]
    assert len(queries) > 10
    assert {number for (number,) in queries} == {1}
    assert len(told_after_s) == len(queries)
    assert max(told_after_s) < 2  # one answer to a query


@pytest.mark.parametrize(
    ("asks", "lost"),
    [
        ("on_unknown: query", "lost_answer: {}"),
        ("on_unknown: query", "http_error: {status: 502, after_work: true}"),
        ("on_unknown: give_up", "lost_answer: {}"),
    ],
)
def test_an_outage_after_a_lost_answer_is_no_rejection(
    tmp_path: Path, asks: str, lost: str
) -> None:
    # The bank has stopped to query when the clearing is back: 60 s after its first query.
    chain = CHAIN.replace("on_unknown: query", asks)
    if "query" not in asks:
        chain = re.sub(r"^ +query: .*\n", "", chain, flags=re.MULTILINE)
    outage = (
        "experiment: mine\ntolerances: {}\n"
        "load: {arrivals: 3/s, warm_up: 0s, before: 1s, after: 30s}\nfaults:\n"
        f"  - {{id: l, at: 0s, for: 3s, target: {{link: clearing}}, {lost}}}\n"
        "  - {id: d, at: 3s, for: 100s, target: {link: clearing}, down: {}}\n"
    )
    assert judged(run_virtually(tmp_path, chain, outage)) == {}
    kinds = booked(tmp_path)
    assert kinds["expired"] > 5
    # Those of the outage alone were never sent.
    assert kinds["freed"] > 100
    assert kinds["spent"] + kinds["covered"] == kinds["credited"]


@pytest.mark.parametrize(
    ("waits", "rules"), [("first_after: 1s, ", set()), ("", {"asks_within_limits"})]
)
def test_a_connection_that_breaks_makes_no_bank_query_before_its_time(
    tmp_path: Path, waits: str, rules: set[str]
) -> None:
    assert CHAIN.count("first_after: 1s, ") == 1
    text = CHAIN.replace("first_after: 1s, ", waits)
    broke = "target: {link: clearing}, http_error: {status: 503}"
    assert set(judged(run_virtually(tmp_path, text, experiment(broke)))) == rules


def test_a_bank_that_executes_repeats_transfers_once_for_each(tmp_path: Path) -> None:
    anew = CHAIN.replace("    role: bank\n", "    role: bank\n    idempotency: none\n", 1).replace(
        "settles_within", "customer: {retry: {after: 4s}}\nsettles_within"
    )
    lost = experiment("target: {link: payer-bank}, lost_answer: {}")
    found = judged(run_virtually(tmp_path, anew, lost))
    assert "no_double_charge" in found
    assert not {"held_not_lost", "debit_equals_credit"} & set(found)
    assert (
        judged(run_virtually(tmp_path / "keyed", anew.replace("    idempotency: none\n", ""), lost))
        == {}
    )


def test_a_payees_bank_that_executes_repeats_credits_once_for_each(tmp_path: Path) -> None:
    anew = CHAIN.replace("  payee-bank:\n", "  payee-bank:\n    idempotency: none\n")
    twice = experiment("target: {link: payee-bank}, duplicate_request: {}")
    found = judged(run_virtually(tmp_path, anew, twice))
    assert set(found) == {"debit_equals_credit"}
    keyed = run_virtually(tmp_path / "keyed", CHAIN, twice)
    assert judged(keyed) == {}


# Every link under some fault, and every second fault in some link.
KEPT = set(list(zip(sorted(FAULTS), cycle(LINKS)))[::2])


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "link"), only(KEPT, product(sorted(FAULTS), LINKS)))
def test_a_sound_transfer_keeps_its_rules_under_every_fault(
    tmp_path: Path, fault: str, link: str
) -> None:
    text = standard(fault, link, after="25s")
    found = judged(run_virtually(tmp_path, CHAIN, text))
    assert not found or (link, fault) in LIES, found


@pytest.mark.slow
@pytest.mark.long(60)
@pytest.mark.parametrize(
    ("chain", "story", "rules"),
    [
        ("sepa-instant-late-dropped", LATE, {"held_not_lost"}),
        ("sepa-instant-keeps-rejected", SLOW, {"debit_equals_credit"}),
        ("sepa-instant-returns-twice", "recalls-unanswered", {"returned_within_moved"}),
        pytest.param("sepa-instant", LATE, set(), marks=pytest.mark.thorough),
    ],
)
def test_a_real_run_finds_what_a_virtual_one_does(
    tmp_path: Path, chain: str, story: str, rules: set[str]
) -> None:
    paychain(tmp_path, "run", chain, story, "--seed", "1")
    real = result_of(tmp_path, "reports")
    assert broken_rules(real) == rules
    virtual = in_virtual_time((chain, story), tmp_path / "virtual")
    assert real["verdict"] == virtual.verdict
    assert set(judged(virtual)) == rules
