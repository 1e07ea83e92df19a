"""From a run's records to the evidence the money rules judge."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from paychain.analysis.money.findings import money
from paychain.analysis.money.leaks import no_card_number_in_a_file
from paychain.analysis.store.store import RunStore
from paychain.model.chain import Chain
from paychain.payments.cards import TEST_CARDS
from paychain.payments.journal import (
    Decision,
    DecisionKind,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
    Record,
)
from paychain.payments.outcome import HopResult, Outcome

CHAIN = Chain.model_validate(
    {
        "chain": "shop",
        "entry": "gateway",
        "links": {
            "gateway": {"role": "gateway", "calls": {"authorise": {"to": "scheme"}}},
            "scheme": {"role": "scheme", "calls": {"authorise": {"to": "issuer"}}},
            "issuer": {"role": "issuer"},
        },
    }
)


def customer(*, approved: bool = True, minor: int = 0) -> PaymentRecord:
    outcome = Outcome.APPROVED if approved else Outcome.UNKNOWN
    return PaymentRecord(
        payment="p1",
        intended_ns=0,
        started_ns=0,
        ended_ns=99,
        outcome=outcome,
        technical=not approved,
        code="00" if approved else "",
        shown="approved",
        amount_minor=1_000,
        currency="EUR",
        scheme="visa",
        instrument="424242…4242",
        merchant="shop",
        decided_by="issuer",
        error=None,
        warm_up=False,
        approved_minor=minor,
    )


def hop(
    caller: str,
    callee: str,
    result: str,
    *,
    operation: str = "authorise",
    attempt: int = 1,
    at: int = 0,
    code: str = "",
) -> HopRecord:
    return HopRecord(
        payment="p1",
        attempt=attempt,
        span=f"{caller}{at}",
        parent="",
        caller=caller,
        operation=operation,
        callee=callee,
        route=0,
        try_number=1,
        started_ns=at,
        ended_ns=at + 1,
        result=HopResult(result),
        code=code,
    )


def decided(link: str, kind: DecisionKind, target: str, *, detail: str = "") -> Decision:
    return Decision(
        link=link,
        kind=kind,
        at_ns=50,
        payment="p1",
        attempt=1,
        operation="capture" if detail else "void",
        target=target,
        detail=detail,
    )


def booked(link: str, kind: str = "authorised", amount: int = 1_000) -> Movement:
    return Movement(
        link=link,
        payment="p1",
        attempt=1,
        kind=MovementKind(kind),
        amount_minor=amount,
        currency="EUR",
        reference="p1-1",
        at_ns=0,
        decided_by="issuer",
    )


SOUND: list[Record] = [
    hop("gateway", "scheme", "approved"),
    hop("scheme", "issuer", "approved"),
    booked("gateway"),
    booked("scheme"),
    booked("issuer"),
]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore.create(tmp_path / "run.db")


def broken(store: RunStore, records: list[Record]) -> list[str]:
    store.ingest(records)
    return [rule.rule for rule in money(store, CHAIN).rules if rule.findings]


def test_a_sound_payment_breaks_no_rule_and_its_movements_are_totalled(store: RunStore) -> None:
    assert broken(store, [customer(), *SOUND]) == []
    assert money(store, CHAIN).books["issuer"] == {"authorised": 1_000}


def test_what_no_customer_recorded_is_money_of_nobody(store: RunStore) -> None:
    assert broken(store, SOUND) == ["no_phantom_movement"]
    (found,) = [rule for rule in money(store, CHAIN).rules if rule.findings]
    assert (found.findings, found.amount) == (1, 1_000)


def test_a_partial_approval_is_known_by_its_code(store: RunStore) -> None:
    part = [booked(link, amount=600) for link in ("gateway", "scheme", "issuer")]
    hops = [hop("gateway", "scheme", "approved", code="10"), hop("scheme", "issuer", "approved")]
    records = [customer(minor=600), *hops, *part]
    assert broken(store, records) == ["amounts_equal"]
    assert not [rule.rule for rule in money(store, accepting()).rules if rule.findings]


def accepting() -> Chain:
    """The same chain with a gateway that accepts partial approvals."""
    gateway = CHAIN.links["gateway"].model_copy(update={"accepts_partial": True})
    return CHAIN.model_copy(update={"links": {**CHAIN.links, "gateway": gateway}})


@pytest.mark.parametrize(("code", "is_part"), [("10", True), ("00", False)])
def test_a_part_that_was_approved_of_another_payment_is_known_by_its_code(
    store: RunStore, code: str, is_part: bool
) -> None:
    # By its trace number the scheme took it for a repeat of that one, and asked no issuer.
    part = booked("gateway", amount=600)
    store.ingest([customer(minor=600), hop("gateway", "scheme", "approved", code=code), part])
    found = {rule.rule for rule in money(store, accepting()).rules if rule.findings}
    assert ("amounts_equal" not in found) is is_part


def test_a_link_that_never_booked_what_its_wrong_answer_approved_is_missing(
    store: RunStore,
) -> None:
    # The issuer holds it and says declined; a query then brings the gateway a wrong approval.
    hops = [
        hop("gateway", "scheme", "timeout"),
        hop("scheme", "issuer", "declined", code="05"),
        hop("gateway", "scheme", "approved", operation="query", at=9),
    ]
    by_query = msgspec.structs.replace(booked("gateway"), decided_by="scheme", at_ns=10)
    assert broken(store, [customer(), *hops, booked("issuer"), by_query]) == ["books_agree"]
    (found,) = [rule for rule in money(store, CHAIN).rules if rule.findings]
    assert [each.text for each in found.payments] == ["p1-1 is missing in the book of scheme"]


@pytest.mark.parametrize("operation", ["authorise", "query"])
def test_who_passed_a_decline_on_as_an_approval_is_missing_whoever_the_answer_names(
    store: RunStore, operation: str
) -> None:
    # The issuer holds it and says declined; the scheme says that the issuer approved it.
    declined = hop("scheme", "issuer", "declined", code="05")
    approved = hop("gateway", "scheme", "approved", operation=operation, at=9)
    in_books = [booked("issuer"), booked("gateway")]
    assert broken(store, [customer(), declined, approved, *in_books]) == ["books_agree"]


@pytest.mark.parametrize("was_booked", [False, True])
def test_what_a_scheme_stored_is_missed_by_a_gateway_that_had_it(
    store: RunStore, *, was_booked: bool
) -> None:
    # The gateway was told too late for its customer, and its reversal undid another execution.
    hops = [hop("gateway", "scheme", "approved"), hop("scheme", "issuer", "technical", code="91")]
    stored = msgspec.structs.replace(booked("scheme", "stored"), decided_by="scheme")
    undone = [booked("gateway"), booked("gateway", "voided")] if was_booked else []
    found = broken(store, [customer(approved=False), *hops, stored, *undone])
    assert found == (["books_agree"] if was_booked else [])


UNKNOWN = [hop("gateway", "scheme", "timeout"), hop("scheme", "issuer", "timeout")]
ACKNOWLEDGED = decided("gateway", DecisionKind.REVERSAL_ACKNOWLEDGED, "scheme")


def test_a_broken_rule_names_the_calls_whose_outcome_its_payments_left_unknown(
    store: RunStore,
) -> None:
    failed = [
        hop("gateway", "scheme", "http_error", code="503"),
        hop("gateway", "scheme", "http_error", code="503", at=5),  # of one payment still
        hop("scheme", "issuer", "refused"),
    ]
    records = [customer(approved=False), *failed, *SOUND[2:]]
    assert "no_orphaned_authorisation" in broken(store, records)
    rules = {rule.rule: rule for rule in money(store, CHAIN).rules}
    (unknown,) = rules["no_orphaned_authorisation"].unknown
    assert (unknown.call, unknown.callee) == ("gateway.authorise", "scheme")
    assert (unknown.result, unknown.code, unknown.payments) == ("http_error", "503", 1)
    assert rules["no_double_charge"].unknown == []


@pytest.mark.parametrize(
    ("more", "is_resolved"),
    [
        ([], False),
        ([ACKNOWLEDGED], True),  # the gateway's reversal undoes the whole attempt
        # the scheme's own reversal says nothing to the gateway
        ([decided("scheme", DecisionKind.REVERSAL_ABANDONED, "issuer"), ACKNOWLEDGED], False),
        (
            [
                hop("gateway", "scheme", "declined", operation="query", at=5),
                hop("scheme", "issuer", "declined", at=5),
            ],
            True,
        ),
        ([hop("gateway", "scheme", "declined", operation="query", at=5)], False),
    ],
)
def test_an_unknown_outcome_is_resolved_by_a_reversal_or_a_later_answer(
    store: RunStore, more: list[Record], is_resolved: bool
) -> None:
    found = broken(store, [customer(approved=False), *UNKNOWN, *more])
    assert found == ([] if is_resolved else ["unknowns_resolved"])


def test_sending_on_after_a_failed_authentication_is_found(store: RunStore) -> None:
    failed = hop("gateway", "acs", "declined", operation="authenticate", at=-5)
    assert broken(store, [customer(), failed, *SOUND]) == [
        "no_authorisation_after_failed_authentication"
    ]


def test_a_step_up_that_succeeded_allows_to_send_on(store: RunStore) -> None:
    failed = hop("gateway", "acs", "declined", operation="authenticate", at=-9)
    passed = hop("gateway", "acs", "approved", operation="authenticate", at=-5)
    assert broken(store, [customer(), failed, passed, *SOUND]) == []


def test_a_capture_without_an_end_is_never_done(store: RunStore) -> None:
    sent = decided("gateway", DecisionKind.FOLLOW_UP_SENT, "scheme", detail="p1-1 c1")
    assert broken(store, [customer(), *SOUND, sent]) == ["authorisations_settled"]
    ended = decided(
        "gateway", DecisionKind.FOLLOW_UP_ACKNOWLEDGED, "scheme", detail="p1-1 c1 after 2 tries"
    )
    assert broken(store, [ended]) == []


def test_a_lost_card_that_comes_back_to_the_scheme_is_found(store: RunStore) -> None:
    lost = hop("gateway", "scheme", "declined", code="41", at=1)
    again = hop("gateway", "scheme", "declined", code="41", attempt=2, at=3)
    assert broken(store, [customer(approved=False), lost, again]) == ["retry_limits_kept"]


def test_stand_ins_are_counted_in_the_order_they_happened(store: RunStore) -> None:
    stand_in = {"stand_in": {"up_to": "10.00", "most": 2}}
    call = {"to": "issuer", "fallback": [stand_in]}
    links = {
        "gateway": {"role": "gateway", "calls": {"authorise": call}},
        "issuer": {"role": "issuer"},
    }
    chain = Chain.model_validate({"chain": "shop", "entry": "gateway", "links": links})
    for number, at_ns in (("p1", 30), ("p2", 10), ("p3", 20)):
        paid = msgspec.structs.replace(customer(), payment=number)
        move = Movement(
            link="gateway",
            payment=number,
            attempt=1,
            kind=MovementKind.STOOD_IN,
            amount_minor=1_000,
            currency="EUR",
            reference=f"{number}-1",
            at_ns=at_ns,
            decided_by="gateway",
        )
        advised = msgspec.structs.replace(move, link="issuer", kind=MovementKind.ADVISED)
        store.ingest([paid, move, advised])
    rules = {rule.rule: rule for rule in money(store, chain).rules if rule.findings}
    assert list(rules) == ["stand_in_within_limits"]
    (found,) = rules["stand_in_within_limits"].payments
    assert (found.payment, found.text) == ("p1", "gateway stood in 3 times, over its limit of 2")


def test_a_card_number_is_found_in_any_file_even_across_two_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paychain.analysis.money.leaks.READ_BYTES", 10)
    (tmp_path / "deep").mkdir()
    file = tmp_path / "deep" / "notes.txt"
    file.write_text(f"card {TEST_CARDS[0].masked}")
    assert no_card_number_in_a_file(tmp_path).findings == 0
    file.write_text(f"the card {TEST_CARDS[0].number}.")
    (found,) = no_card_number_in_a_file(tmp_path).payments
    assert found.text == "deep/notes.txt holds the number of 424242…4242"


def test_a_card_number_in_a_log_is_found_with_its_line_also_in_groups_of_digits(
    tmp_path: Path,
) -> None:
    visa, amex = TEST_CARDS[0].number, TEST_CARDS[6].number
    grouped = " ".join(visa[at : at + 4] for at in range(0, 16, 4))
    lines = ["starting", f"paying with {grouped}", f"id 9{visa}", f"card={visa}", f"amex {amex}"]
    (tmp_path / "shop.log").write_text("\n".join(lines))
    rule = no_card_number_in_a_file(tmp_path)
    assert [found.text for found in rule.payments] == [
        "shop.log:2 holds the number of 424242…4242, and so does 1 other line",
        "shop.log:5 holds the number of 378282…0005",
    ]


@pytest.mark.parametrize(
    "written",
    [
        "4242%204242%204242%204242",
        "4242%2d4242%2d4242%2d4242",
        "4242+4242+4242+4242",
        "%34%32" * 8,
        "42424242\n42424242",
        r"4242 4242\n4242 4242",
        r"4242\u00a04242\u00a04242\u00a04242",
        "4242&nbsp;4242&nbsp;4242&nbsp;4242",
        "4242.4242.4242.4242",
        "4242\N{NO-BREAK SPACE}4242\N{NO-BREAK SPACE}4242\N{NO-BREAK SPACE}4242",
    ],
)
@pytest.mark.parametrize("size", [7, 250_000])
def test_a_card_number_in_a_log_is_found_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, size: int
) -> None:
    monkeypatch.setattr("paychain.analysis.money.leaks.READ_BYTES", size)
    (tmp_path / "shop.log").write_text(f"starting\ncard={written} paid\n")
    (found,) = no_card_number_in_a_file(tmp_path).payments
    assert found.text == "shop.log:2 holds the number of 424242…4242"


def paid_at_psp() -> Chain:
    """A chain whose service keeps no book, and takes payments at Stripe with no card given."""
    pays = {
        "request": {"path": "/", "json": {"order": "{order}"}},
        "approved": {"status": 200},
        "declined": {"status": 402},
    }
    shop = {"role": "gateway", "service": {"command": "shop"}, "pays": pays}
    links = {
        "shop": {**shop, "calls": {"authorise": {"to": "psp"}}},
        "psp": {"role": "processor", "dialect": "stripe", "calls": {"authorise": {"to": "issuer"}}},
        "issuer": {"role": "issuer"},
    }
    return Chain.model_validate({"chain": "shop", "entry": "shop", "links": links})


@pytest.mark.parametrize("is_card_given", [True, False])
def test_a_customer_at_their_banks_page_has_not_said_which_card_pays(
    store: RunStore, is_card_given: bool
) -> None:
    other = msgspec.structs.replace(booked("psp"), instrument="555555…4444")
    page = hop("customer", "psp", "approved", at=1)
    given = [decided("psp", DecisionKind.CARD_GIVEN, "")] if is_card_given else []
    store.ingest([customer(), page, *given, other, booked("issuer")])
    found = [rule.rule for rule in money(store, paid_at_psp()).rules if rule.findings]
    assert ("parties_kept" in found) is is_card_given


@pytest.mark.parametrize(
    ("up_to", "delivered_s", "is_broken"),
    [("10.00", 8, False), ("9.99", 8, True), ("10.00", 60, True)],
)
def test_a_queue_keeps_only_what_it_may_and_only_so_long(
    store: RunStore, up_to: str, delivered_s: int, is_broken: bool
) -> None:
    queue = {"queue": {"up_to": up_to, "within": "10s"}}
    call = {"to": "issuer", "timeout": "1s", "fallback": [queue]}
    links = {
        "gateway": {"role": "gateway", "calls": {"authorise": call}},
        "issuer": {"role": "issuer"},
    }
    chain = Chain.model_validate({"chain": "shop", "entry": "gateway", "links": links})
    stored = msgspec.structs.replace(
        booked("gateway", "stored"), decided_by="gateway", reference="p1-1.1", attempt=2
    )
    decisions = [
        msgspec.structs.replace(
            decided("gateway", kind, "issuer", detail=detail),
            operation="authorise",
            attempt=2,
            at_ns=at_s * 1_000_000_000,
        )
        for kind, at_s, detail in (
            (DecisionKind.QUEUE, 0, "refused"),
            (DecisionKind.QUEUE_DELIVERED, delivered_s, "00 p1-1.1 as p1-1.1+issuer.2"),
        )
    ]
    taken = msgspec.structs.replace(booked("issuer"), reference="p1-1.1+issuer.2", attempt=2)
    store.ingest([customer(), stored, taken, *decisions])
    found = [rule.rule for rule in money(store, chain).rules if rule.findings]
    assert found == (["fallbacks_within_limits"] if is_broken else [])


def test_an_order_that_two_payments_took_is_one_double_charge(store: RunStore) -> None:
    paid = [
        msgspec.structs.replace(customer(), payment=name, order="o1", started_ns=at)
        for at, name in enumerate(("p1", "p2"))
    ]
    books = [
        msgspec.structs.replace(booked(link), payment=name, reference=f"{name}-1")
        for name in ("p1", "p2")
        for link in ("gateway", "scheme", "issuer")
    ]
    store.ingest([*paid, *books])
    (rule,) = [rule for rule in money(store, CHAIN).rules if rule.findings]
    assert (rule.rule, rule.findings, rule.amount) == ("no_double_charge", 1, 1_000)
    assert rule.payments[0].payment == "p2"
    assert rule.payments[0].text == "20.00 EUR held for an order of 10.00 EUR, paid as p1, p2"
