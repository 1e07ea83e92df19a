"""What a search tries in order before it draws any schedule."""

from __future__ import annotations

from itertools import chain as joined

from paychain.explore.planned import MAGNITUDES_MS, turns, with_less_magnitude
from paychain.explore.schedules import (
    FaultChoice,
    ScheduledFault,
    declaration,
    fault_choices,
    provider_choices,
)
from paychain.explore.search import _planned, search
from paychain.explore.spec import SearchSpec
from paychain.model.chain import Chain
from paychain.model.loading import load_chain
from tests.support.chains import checked
from tests.support.paths import PLANTED_CHAINS

PAYOUTS = load_chain("stablecoin-payout").model
CARDS = load_chain(str(PLANTED_CHAINS / "plain.yaml")).model
LATE = FaultChoice("late_answer", ("link", "psp"), has_magnitude=True)


def test_every_single_fault_comes_once_for_long_the_simplest_kinds_first() -> None:
    choices = fault_choices(CARDS)
    first, short, *_ = map(list, turns(CARDS, choices, paying_ms=1_000))
    assert [[fault.choice for fault in schedule] for schedule in first] == [
        [],
        *([choice] for choice in choices),
    ]
    assert [schedule[0].choice for schedule in short] == choices
    longest, shortest = first[1][0], short[0][0]
    assert longest.duration_ms > 10 * shortest.duration_ms
    # What a link remembers of earlier payments can be used in one, and in the other it cannot.
    assert longest.start_ms > shortest.start_ms == 0


def test_every_single_fault_comes_back_once_more_and_again() -> None:
    choices = fault_choices(CARDS)
    _, _, again, _ = turns(CARDS, choices, paying_ms=1_000)
    faults = [fault for (fault,) in again]
    assert [fault.choice for fault in faults] == choices
    assert {(fault.times, fault.duration_ms < fault.every_ms) for fault in faults} == {(3, True)}


def test_a_failure_spreads_over_the_targets_of_a_call_to_its_caller() -> None:
    chain = load_chain(str(PLANTED_CHAINS / "stores-last.yaml")).model
    _, _, _, cascades = turns(chain, fault_choices(chain, ["crash"]), paying_ms=1_000)
    found = [
        [(fault.choice.target[1], fault.start_ms, fault.ends_ms) for fault in cascade]
        for cascade in cascades
    ]
    # The processors one after the other, then the gateway; each bank, then its processor.
    assert found == [
        [("processor-a", 100, 3_100), ("processor-b", 500, 3_100), ("gateway", 900, 3_100)],
        [("bank-a", 100, 3_100), ("processor-a", 500, 3_100)],
        [("bank-b", 100, 3_100), ("processor-b", 500, 3_100)],
    ]


def test_what_only_a_ledger_can_have_comes_at_each_moment_and_with_every_other_fault() -> None:
    choices = fault_choices(PAYOUTS)
    first, _, _, _, *pairs = turns(PAYOUTS, choices, paying_ms=1_000)
    starts: dict[str, list[int]] = {}
    for (fault,) in list(first)[1 + len(choices) :]:
        assert fault.choice.target == ("link", "base")
        starts.setdefault(fault.choice.kind, []).append(fault.start_ms)
    # The last deposit is credited after the last payment has begun.
    of_ledger = ("halt", "reorg", "fee_spike", "reverts", "no_finality")
    assert starts == {kind: list(range(0, 1_500, 100)) for kind in of_ledger}
    met = {(one.choice.kind, other.choice) for one, other in joined(*pairs)}
    others = [choice for choice in choices if choice.kind not in starts]
    assert met == {(kind, other) for kind in starts for other in others}


def test_a_search_draws_no_open_and_no_replaced_blocks_where_finality_comes_with_the_block() -> (
    None
):
    kinds = {choice.kind for choice in fault_choices(load_chain("toncoin-payment").model)}
    assert {"halt", "reverts"} < kinds
    assert not kinds & {"no_finality", "reorg"}


def hosted() -> Chain:
    """Both processors at one provider, and their banks elsewhere."""
    text = (PLANTED_CHAINS / "stores-last.yaml").read_text()
    text = text.replace("entry: gateway", "entry: gateway\nproviders: {cloud: {kind: cloud}}")
    return checked(text.replace("{role: processor,", "{role: processor, provider: cloud,"))


def test_what_all_links_of_a_provider_have_together_comes_for_long_and_for_short() -> None:
    chain = hosted()
    choices = provider_choices(chain, ["down", "crash", "halt"])
    assert [str(choice) for choice in choices] == [
        "down on provider cloud",
        "crash on provider cloud",
    ]
    single = fault_choices(chain, ["down"])
    long, short, *_ = turns(chain, single, 1_000, choices)
    for turn in (list(long)[1:], short):
        assert [fault.choice for (fault,) in turn] == [*single, *choices]
    # A provider of one link fails as that link does.
    links = chain.links | {"processor-b": chain.links["bank-b"]}
    assert provider_choices(chain.model_copy(update={"links": links})) == []


def test_what_is_injected_on_request_only_is_so_for_providers_too() -> None:
    nodes = load_chain("depin-two").model
    drawn = {choice.kind for choice in provider_choices(nodes)}
    assert drawn
    assert drawn.isdisjoint({"lies", "fork"})
    asked = provider_choices(nodes, ["lies"])
    assert [str(choice) for choice in asked] == ["lies on provider aws-us-east-1"]


def test_a_search_finds_what_only_the_outage_of_a_provider_breaks() -> None:
    spec = SearchSpec(
        hosted(),
        max_schedules=400,
        budget_s=200.0,
        rules=["no_approval_without_money"],
        kinds=["crash"],
    )
    found = search(spec, lambda _: None).found["no_approval_without_money"]
    (fault,) = found.schedule
    assert (fault.choice.kind, fault.choice.target) == ("crash", ("provider", "cloud"))
    (limits,) = found.limits
    assert limits.target == "provider cloud"
    assert declaration(found.schedule, payments=1, rate=1, name="found")["faults"][0]["target"] == {
        "provider": "cloud"
    }


def test_a_delay_is_tried_smaller_and_what_has_none_is_not() -> None:
    late = ScheduledFault(LATE, 0, 300, 2_000)
    assert [less[0].magnitude_ms for less in with_less_magnitude((late,))] == list(MAGNITUDES_MS)
    down = ScheduledFault(FaultChoice("down", ("link", "psp"), has_magnitude=False), 0, 300, 50)
    assert list(with_less_magnitude((down,))) == []


def test_of_several_jobs_only_the_first_one_tries_in_order() -> None:
    assert list(_planned(SearchSpec(CARDS, seed_of_search=0)))
    assert list(_planned(SearchSpec(CARDS, seed_of_search=1))) == []
