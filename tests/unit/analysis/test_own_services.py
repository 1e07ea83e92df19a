"""What is measured of own services: whose their requests were, their policy, their keys."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from paychain.analysis import doubts
from paychain.analysis.measures import own_services as measures
from paychain.analysis.measures.measure import MeasuredRun
from paychain.analysis.measures.measures import MoneyMeasure, MoneyRule
from paychain.analysis.measures.own_policies import PolicyLine, usual_wait_s
from paychain.analysis.measures.own_services import (
    ObservedCall,
    OwnServiceMeasures,
    own_services,
    unattributed_money,
    unattributed_problems,
)
from paychain.analysis.store.facts import RunFacts
from paychain.model.chain import Chain
from paychain.model.experiment import Times
from paychain.payments.journal import Decision, DecisionKind, HopRecord, PaymentRecord
from paychain.payments.outcome import HopResult
from paychain.report.text.own_services import sdk_words
from tests.support.chains import checked
from tests.support.observed_runs import CHAIN, A, B, ObservedRun
from tests.support.own_chains import own_shop
from tests.support.recorded import CHAIN as MOCKS
from tests.support.recorded import ns
from tests.unit.payments.test_own_rules import Shop

CLAIMS = {
    "to": A,
    "fallback": [{"to": B}],
    "claims": {"timeout": "2s", "on_unknown": "reverse", "retry": {"attempts": "2"}},
}


def run_of(run: ObservedRun, path: Path, chain: Chain = CHAIN) -> MeasuredRun:
    times = Times(load_start_s=0.0, before_start_s=0.0, faults_start_s=0.0, load_end_s=100.0)
    facts = RunFacts(times=times, seed=1, drained_s=100.0)
    return MeasuredRun(run.store(path), chain, run.experiment, facts)


def measured(run: ObservedRun, path: Path, chain: Chain = CHAIN) -> OwnServiceMeasures:
    return run_of(run, path, chain)[own_services]


def at(found: OwnServiceMeasures, link: str) -> ObservedCall:
    return next(call for call in found.calls if call.link == link)


def policy(found: OwnServiceMeasures, what: str) -> PolicyLine:
    return next(line for line in found.policies if line.what == what)


def test_a_chain_of_mocks_has_none(tmp_path: Path) -> None:
    assert measured(ObservedRun(), tmp_path, MOCKS) == OwnServiceMeasures()


def test_requests_are_counted_by_what_attributed_them(tmp_path: Path) -> None:
    run = ObservedRun()
    for number, way in enumerate(["trace", "trace", "key", "card and amount"]):
        run.pay(f"p{number}", number)
        run.asked(f"p{number}", number + 0.1, by=way, key=f"k{number}")
    run.asked("?processor-a-1", 5.0, by="nothing")
    found = at(measured(run, tmp_path), A)
    assert found.attributed == {"trace": 2, "key": 1, "card and amount": 1}
    assert (found.unattributed, found.unattributed_authorisations, found.requests) == (1, 1, 5)
    assert found.examples == ["POST /authorise at 5.0 s"]
    assert found.seen_by == "engine and link"


def test_more_than_one_per_cent_of_nobodys_authorisations_leaves_the_run_open(
    tmp_path: Path,
) -> None:
    run = ObservedRun()
    for number in range(98):
        run.asked(f"p{number:02d}", number / 10)
    run.asked("?processor-a-1", 11.0, by="nothing")
    run.sent(12.0, ended_by="client")  # reached nobody, and shows no payment
    over = run_of(run, tmp_path)
    (problem,) = unattributed_problems(over[own_services])
    assert problem in doubts.problems(over)
    assert problem.startswith(
        "2 of 100 authorisations at processor-a belong to no payment (2.0%, at most 1%), such as "
        "POST /authorise at 12.0 s: give pays.request of shop an order id ({payment})"
    )


def test_one_per_cent_is_not_more(tmp_path: Path) -> None:
    run = ObservedRun()
    for number in range(99):
        run.asked(f"p{number:02d}", number / 10)
    run.asked("?processor-a-1", 11.0, by="nothing")
    assert unattributed_problems(measured(run, tmp_path)) == []


def test_repeats_are_told_apart_by_their_keys(tmp_path: Path) -> None:
    run = ObservedRun()
    for number, keys in enumerate([("k", "k"), ("k", "other"), ("", ""), ("k",)]):
        for nth, key in enumerate(keys):
            run.asked(f"p{number}", number + nth / 10, key=key)
    run.asked("p3", 9.0, operation="capture", key="c")
    found = at(measured(run, tmp_path), A)
    assert found.repeats_same_key == 1
    assert found.repeats_new_key == 1
    assert found.repeats_without_key == 1
    assert (found.money_requests, found.keyed, found.most_per_payment) == (8, 6, 2)
    assert found.per_payment == 2.0


def test_the_usual_wait_is_the_most_frequent_one() -> None:
    assert usual_wait_s([]) is None
    assert usual_wait_s([0.3, 3.0, 3.01, 3.02, 9.9]) == (3.01, 3)


def test_what_is_claimed_stands_beside_what_was_observed(tmp_path: Path) -> None:
    run = ObservedRun()
    for number in range(3):
        payment = f"p{number}"
        run.pay(payment, number * 10, 9.0)
        run.sent(number * 10 + 1, 3.0, payment=payment, key="k", ended_by="client")
        run.sent(number * 10 + 5, 3.0, payment=payment, key="k", ended_by="client")
        run.asked(payment, number * 10 + 8.5, to=B, key="b", attempt=2)
    found = measured(run, tmp_path, checked(own_shop(call=CLAIMS)))
    waited = policy(found, "timeout")
    assert (waited.claimed, waited.observed, waited.holds) == (
        "2.0 s",
        "3.0 s (6 of 6 waits)",
        False,
    )
    tries = policy(found, "tries at one link")
    assert (tries.claimed, tries.holds) == ("2 tries", True)
    assert tries.observed == "2 tries; again after timeout (3)"
    assert policy(found, "backoff").observed == "1.0 s (median)"
    order = policy(found, "failover")
    assert (order.observed, order.holds) == ("processor-a → processor-b (3 payments)", True)
    unknown = policy(found, "unknown outcome")
    # The first of the two was repeated under its key; nothing followed the second.
    assert (unknown.claimed, unknown.observed) == ("reverse", "repeat (3), nothing (3)")
    assert unknown.holds is False


def folder(path: Path, name: str) -> Path:
    (path / name).mkdir()
    return path / name


def test_a_service_that_was_still_starting_is_shown_among_the_services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "slow_starts", lambda _run: iter(["nobody was answered"]))
    run = ObservedRun()
    run.pay("p1", 0.0)
    assert policy(measured(run, tmp_path), "first answer").observed == "nobody was answered"


def test_a_service_from_which_nothing_reached_a_provider_is_named(tmp_path: Path) -> None:
    run = ObservedRun()
    for number in range(3):
        run.pay(f"p{number}", number, result="http_error")
    said = doubts.questions(run_of(run, folder(tmp_path, "silent")))
    assert [sentence for sentence in said if "sent no request" in sentence] == [
        "shop sent no request to processor-a, processor-b: it does not use the addresses that it "
        "is given ({url:processor-a}), or its SDK insists on https (tls: true on the link); what "
        "it says is in spool/logs/shop.log"
    ]
    run.sent(1.0, payment="p1", status=500)
    said = doubts.questions(run_of(run, folder(tmp_path, "asking")))
    assert not any("sent no request" in sentence for sentence in said)


def test_a_wait_that_only_the_end_of_the_run_ended_is_no_timeout(tmp_path: Path) -> None:
    run = ObservedRun()
    for number in range(3):
        run.pay(f"p{number}", number, 10.0, "timeout")
        run.sent(number, 100.2 - number, payment=f"p{number}", ended_by="client")
    waited = policy(measured(run, folder(tmp_path, "none")), "timeout")
    assert waited.observed == (
        "none within 100.2 s: 3 requests still waited when the service was stopped"
    )
    assert waited.holds is None
    claiming = checked(own_shop(call=CLAIMS))
    assert policy(measured(run, folder(tmp_path, "some"), claiming), "timeout").holds is False
    run.pay("p9", 20.0, 10.0, "timeout")
    run.sent(20.0, 2.0, payment="p9", ended_by="client")
    both = policy(measured(run, folder(tmp_path, "both"), claiming), "timeout")
    assert both.observed.startswith("2.0 s (1 of 1 wait); none within 100.2 s: 3 requests")
    assert both.holds is False


def test_a_claimed_retry_comes_before_the_claimed_reversal(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 0.0, 9.0)
    run.sent(1.0, 2.0, payment="p1", key="k", ended_by="client")
    run.sent(3.0, 2.0, payment="p1", key="k", ended_by="client")
    run.asked("p1", 5.0, operation="void", key="v")
    retries = {"attempts": "2", "on": ["timeout"]}
    claims = {"to": A, "claims": {"on_unknown": "reverse", "retry": retries}}
    found = measured(run, tmp_path, checked(own_shop(call={"fallback": [{"to": B}], **claims})))
    unknown = policy(found, "unknown outcome")
    assert sorted(unknown.observed.split(", ")) == ["repeat (1)", "void (1)"]
    assert unknown.holds is True


def test_failures_that_no_claim_tries_again_do_not_test_the_claimed_tries(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 0.0, 9.0)
    run.sent(1.0, 2.0, payment="p1", key="k", ended_by="client")
    # The default of `on` has no timeout.
    assert policy(measured(run, tmp_path, checked(own_shop(call=CLAIMS))), "tries at one link") == (
        PolicyLine(
            call="shop.authorise",
            what="tries at one link",
            claimed="2 tries",
            observed="1 try",
            holds=None,
        )
    )


def test_a_default_pause_is_not_claimed(tmp_path: Path) -> None:
    found = measured(ObservedRun(), tmp_path, checked(own_shop(call=CLAIMS)))
    assert policy(found, "backoff").claimed == ""


def test_a_link_that_understood_nothing_needs_a_dialect(tmp_path: Path) -> None:
    run = ObservedRun()
    run.sent(1.0, status=404, target="/v1/payment_intents")
    (problem,) = unattributed_problems(measured(run, tmp_path))
    assert problem.endswith(
        "processor-a understood none of its requests; give processor-a the dialect: that shop "
        "speaks there, such as stripe"
    )


def test_a_void_of_the_second_attempt_does_nothing_about_the_first(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 0.0, 9.0)
    for attempt in (1, 2):
        port = run.sent(attempt, 0.9, payment="p1", key=f"k{attempt}", ended_by="client")
        run.came("p1", port, attempt + 0.1, key=f"k{attempt}", attempt=attempt)
    run.asked("p1", 5.0, operation="void", key="v", attempt=2)
    observed = policy(measured(run, tmp_path), "unknown outcome").observed
    assert sorted(observed.split(", ")) == ["nothing (1)", "void (1)"]


def test_a_cancel_of_what_the_provider_never_got_is_a_void(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0, 9.0)
    run.sent(1.1, 2.0, ended_by="client", payment="p1", key="k1")
    # The mock has nothing to release, and moves nothing.
    run.asked("p1", 3.2, operation="query", target="/v72/cancels", key="v1")
    assert policy(measured(run, tmp_path), "unknown outcome").observed == "void (1)"


@pytest.mark.parametrize(
    ("asked", "observed"),
    [
        ([("query", "")], "query (1)"),
        ([("query", ""), ("void", "")], "query, then void (1)"),
        # What is refused, because nothing is held, is no query whatever the link takes it for.
        ([("query", "/v1/payment_intents/pi_1/capture")], "nothing (1)"),
        ([("query", "/v1/payment_intents/pi_1/cancel"), ("query", "")], "void (1)"),
    ],
)
def test_what_follows_an_unknown_outcome_is_a_query_and_what_that_leads_to(
    asked: list[tuple[str, str]], observed: str, tmp_path: Path
) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0, 9.0)
    run.sent(1.1, 2.0, ended_by="client", payment="p1", key="k1")
    for place, (operation, target) in enumerate(asked):
        more = {"target": target} if target else {}
        run.asked("p1", 3.2 + place, operation=operation, key=f"v{place}", **more)
    assert policy(measured(run, tmp_path), "unknown outcome").observed == observed


def test_a_claim_that_nothing_tried_is_not_judged(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0)
    run.asked("p1", 1.1)
    found = measured(run, tmp_path, checked(own_shop(call=CLAIMS)))
    assert {line.holds for line in found.policies} == {None}


def test_what_the_mock_takes_no_notice_of_is_listed_once(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1)
    run.asked("p1", 1.1)
    for parameter in ("shopperIP", "channel", "shopperIP"):
        run.records.append(
            Decision(
                link=A,
                kind=DecisionKind.PARAMETER_IGNORED,
                at_ns=1,
                payment="p1",
                attempt=1,
                operation="authorise",
                target=A,
                detail=parameter,
            )
        )
    found = measured(run, tmp_path)
    assert at(found, A).ignored == ["channel", "shopperIP"]
    assert at(found, B).ignored == []
    assert "parameters without effect on the mock: channel, shopperIP" in sdk_words(at(found, A))


def test_what_the_mock_does_not_have_is_listed_with_its_requests(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1)
    run.asked("p1", 1.1)
    paths = ["GET /v1/balance", *["POST /v1/invoices"] * 2, *(f"GET /v1/x{n}" for n in range(4))]
    for what in paths:
        run.records.append(
            Decision(
                link=A,
                kind=DecisionKind.NOT_SERVED,
                at_ns=1,
                payment="",
                attempt=0,
                operation="query",
                target=A,
                detail=what,
            )
        )
    found = at(measured(run, tmp_path), A)
    assert found.not_served["POST /v1/invoices"] == 2
    assert sdk_words(found)[-1] == (
        "the mock does not have POST /v1/invoices (2), GET /v1/balance (1), GET /v1/x0 (1), "
        "GET /v1/x1 (1), GET /v1/x2 (1) and 1 more"
    )


def test_missing_money_may_be_what_no_payment_is_known_for(tmp_path: Path) -> None:
    run = ObservedRun()
    for number in range(200):
        run.asked(f"p{number:03d}", number / 10)
    run.asked("?processor-a-1", 21.0, by="nothing")
    found = measured(run, tmp_path)
    assert unattributed_problems(found) == []  # one of 201

    def money(rule: str) -> MoneyMeasure:
        return MoneyMeasure([MoneyRule(rule, "", 1, 100, [])], {}, 100)

    assert unattributed_money(found, money("no_approval_without_money")) == [
        "1 authorisation of no payment may be the money that 1 finding reports as missing"
    ]
    assert unattributed_money(found, money("no_double_charge")) == []


def test_what_only_the_engine_sees_is_not_guessed_without_it(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0)
    run.came("p1", 50_000, 1.1)
    found = measured(run, tmp_path, checked(own_shop(call=CLAIMS)))
    assert at(found, A).seen_by == "link"
    for what in ("timeout", "unknown outcome"):
        assert policy(found, what).observed == "not seen: only the links' own view is available"
        assert policy(found, what).holds is None


def test_what_is_approved_and_never_captured_is_counted(tmp_path: Path) -> None:
    stripes = {"role": "processor", "dialect": "stripe", "calls": {"authorise": {"to": "issuer"}}}
    chain = checked(own_shop(links={A: stripes}))
    run = ObservedRun()
    for number in range(4):
        run.pay(f"p{number}", number)
        run.asked(f"p{number}", number + 0.1)
        run.booked(f"p{number}", number + 0.2, "authorised")
    run.booked("p0", 0.3, "captured")
    run.booked("p3", 3.3, "voided")  # it holds no money any more
    line = policy(measured(run, tmp_path, chain), "of approved payments")
    assert line.call == "shop.capture"
    assert line.observed == "2 of 4 payments held and never captured"


def test_declines_that_nobody_behind_the_service_made_are_named(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p0", 0, result="declined")
    run.asked("p0", 0.1, status=429, result="rejected")
    run.pay("p1", 1, result="declined")
    run.asked("p1", 1.1, status=402, result="declined")
    run.pay("p2", 2)
    run.asked("p2", 2.1)
    run.pay("p3", 3, result="declined")  # its own rules said no, before it asked anybody
    run.pay("p4", 4, result="declined")  # what a link in front of it passed on
    run.asked("p4", 4.1, status=429, result="rejected")
    # Neither what it answered itself nor what two links in front of it said is behind it.
    for caller, callee in (("front", "shop"), ("edge", "front")):
        run.records.append(
            HopRecord(
                payment="p4",
                attempt=1,
                span=f"to {callee}",
                parent="",
                caller=caller,
                operation="authorise",
                callee=callee,
                route=0,
                try_number=1,
                started_ns=ns(4.0),
                ended_ns=ns(4.5),
                result=HopResult.DECLINED,
                code="",
            )
        )
    line = policy(measured(run, tmp_path), "own declines")
    assert line.call == "shop.authorise"
    assert line.observed == "2 payments that no link behind it had declined (p0, p4)"
    assert line.holds is None


def test_webhooks_with_a_wrong_signature_that_are_acknowledged_are_counted(tmp_path: Path) -> None:
    run = Shop()
    for number, result in enumerate(["approved", "http_error", "approved"]):
        payment = f"p{number}"
        run.paid(payment, number)
        run.webhook(payment, number + 0.5, result, forged=number < 2)
    run.paid("warm", 4)
    run.records[:] = [
        msgspec.structs.replace(record, warm_up=record.payment == "warm")
        if isinstance(record, PaymentRecord)
        else record
        for record in run.records
    ]
    run.webhook("warm", 4.5, forged=True)
    line = policy(measured(run, tmp_path), "wrong signatures")
    assert line.call == "shop.notify"
    assert line.observed == "1 of 2 forged webhooks acknowledged"
