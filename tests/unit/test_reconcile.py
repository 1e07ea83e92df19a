"""From a run's records to the evidence the money rules judge."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness.analysis.leaks import no_card_number_in_a_file
from harness.analysis.reconcile import money
from harness.analysis.store import RunStore
from harness.model.chain import Chain
from harness.payments.cards import TEST_CARDS
from harness.payments.journal import (
    Decision,
    DecisionKind,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
    Record,
)
from harness.payments.outcome import HopResult, Outcome

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
        "p1", 0, 0, 99, outcome, not approved, "00" if approved else "", "approved", 1_000, "EUR",
        "visa", "424242…4242", "shop", "issuer", None, False, minor,
    )  # fmt: skip


def hop(
    caller: str, callee: str, result: str, *, operation: str = "authorise", attempt: int = 1,
    at: int = 0, code: str = "",
) -> HopRecord:  # fmt: skip
    return HopRecord(
        "p1", attempt, f"{caller}{at}", "", caller, operation, callee, 0, 1, at, at + 1,
        HopResult(result), code,
    )  # fmt: skip


def decided(link: str, kind: DecisionKind, target: str, *, detail: str = "") -> Decision:
    return Decision(link, kind, 50, "p1", 1, "capture" if detail else "void", target, detail)


def booked(link: str, kind: str = "authorised", amount: int = 1_000) -> Movement:
    return Movement(link, "p1", 1, MovementKind(kind), amount, "EUR", "p1-1", 0, "issuer")


SOUND: list[Record] = [
    hop("gateway", "scheme", "approved"), hop("scheme", "issuer", "approved"),
    booked("gateway"), booked("scheme"), booked("issuer"),
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore.create(tmp_path / "run.db")


def broken(store: RunStore, records: list[Record]) -> list[str]:
    store.ingest(records)
    return [rule.rule for rule in money(store, CHAIN).rules if rule.findings]


def test_a_sound_payment_breaks_no_rule_and_its_movements_are_totalled(store: RunStore) -> None:
    assert broken(store, [customer(), *SOUND]) == []
    assert money(store, CHAIN).books["issuer"] == {"authorised": 1_000}


def test_what_the_customer_never_recorded_is_not_judged(store: RunStore) -> None:
    assert broken(store, SOUND) == []


def test_a_partial_approval_is_known_by_its_code(store: RunStore) -> None:
    part = [booked(link, amount=600) for link in ("gateway", "scheme", "issuer")]
    hops = [hop("gateway", "scheme", "approved", code="10"), hop("scheme", "issuer", "approved")]
    assert broken(store, [customer(minor=600), *hops, *part]) == []


UNKNOWN = [hop("gateway", "scheme", "timeout"), hop("scheme", "issuer", "timeout")]
ACKNOWLEDGED = decided("gateway", DecisionKind.REVERSAL_ACKNOWLEDGED, "scheme")


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
        "gateway": {"role": "gateway", "calls": {"authorise": call}}, "issuer": {"role": "issuer"},
    }  # fmt: skip
    chain = Chain.model_validate({"chain": "shop", "entry": "gateway", "links": links})
    for number, at_ns in (("p1", 30), ("p2", 10), ("p3", 20)):
        paid = msgspec.structs.replace(customer(), payment=number)
        move = Movement("gateway", number, 1, MovementKind.STOOD_IN, 1_000, "EUR", f"{number}-1",
                        at_ns, "gateway")  # fmt: skip
        advised = msgspec.structs.replace(move, link="issuer", kind=MovementKind.ADVISED)
        store.ingest([paid, move, advised])
    rules = {rule.rule: rule for rule in money(store, chain).rules if rule.findings}
    assert list(rules) == ["stand_in_within_limits"]
    (found,) = rules["stand_in_within_limits"].payments
    assert (found.payment, found.text) == ("p1", "gateway stood in 3 times, its limit is 2")


def test_a_card_number_is_found_in_any_file_even_across_two_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.analysis.leaks.READ_BYTES", 10)
    (tmp_path / "deep").mkdir()
    file = tmp_path / "deep" / "notes.txt"
    file.write_text(f"card {TEST_CARDS[0].masked}")
    assert no_card_number_in_a_file(tmp_path).findings == 0
    file.write_text(f"the card {TEST_CARDS[0].number}.")
    (found,) = no_card_number_in_a_file(tmp_path).payments
    assert found.text == "deep/notes.txt holds the number of 424242…4242"
