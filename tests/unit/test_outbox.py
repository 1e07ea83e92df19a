"""What a dead link still has to do, and a customer who asks again."""

from __future__ import annotations

from typing import Any

import pytest

from harness.analysis.reconcile import Parties
from harness.explore.judged import broken
from harness.explore.schedules import Strike, Strikes, declaration
from harness.model.chain import Chain
from harness.model.checks import check_chain
from harness.model.experiment import Experiment
from harness.model.text import parse
from harness.payments.journal import Decision, DecisionKind, PaymentRecord
from harness.simulation.world import play

CHAIN = """\
chain: short
entry: gateway
deadline: 10s
links:
  gateway: {role: gateway, calls: {authorise: {to: processor, timeout: 900ms, on_unknown: reverse}}}
  processor: {role: processor, calls: {authorise: {to: issuer, timeout: 300ms, on_unknown: reverse}}}
  issuer: {role: issuer}
"""  # noqa: E501


def chain(text: str = CHAIN, *, asks_again: str = "", on_disk: tuple[str, ...] = ()) -> Chain:
    declared: Any = parse(text).value
    if asks_again:
        declared["asks_again"] = asks_again
    for name in on_disk:
        declared["links"][name]["outbox"] = "disk"
    return Chain.model_validate(declared)


def on(link: str, kind: str, start_ms: int, lasts_ms: int, magnitude_ms: int = 50) -> Strikes:
    strike = Strike(kind, ("link", link), has_magnitude=kind == "slow_answer")
    return Strikes(strike, start_ms, lasts_ms, magnitude_ms)


def played(chain: Chain, *faults: Strikes, payments: int = 1, forgets: bool = False) -> list[Any]:
    declared = declaration(faults, name="short", payments=payments, rate=5)
    for fault in declared["faults"]:
        if forgets and "crash" in fault:
            fault["crash"] = {"forgets": True}
    return play(chain, Experiment.model_validate(declared), 1).records


def rules_broken(chain: Chain, records: list[Any]) -> list[str]:
    return [one.rule for one in broken(records, Parties.of(chain), None)]


# The processor gives up on the issuer at 300 ms and reverses. The reversal is not acknowledged
# either until 600 ms; the processor lies dead from 350 to 650 ms.
DEAD_WITH_A_REVERSAL = (on("issuer", "lost_answer", 0, 600), on("processor", "crash", 350, 300))


def test_a_reversal_under_way_is_lost_in_a_crash() -> None:
    short = chain()
    assert "unknowns_resolved" in rules_broken(short, played(short, *DEAD_WITH_A_REVERSAL))


def test_a_reversal_on_disk_goes_on_when_its_link_is_back() -> None:
    short = chain(on_disk=("processor",))
    records = played(short, *DEAD_WITH_A_REVERSAL)
    assert rules_broken(short, records) == []
    said = [one for one in records if isinstance(one, Decision) and one.link == "processor"]
    acknowledged = [one for one in said if one.kind is DecisionKind.REVERSAL_ACKNOWLEDGED]
    assert [one.at_ns > 650e6 for one in acknowledged] == [True]


def test_a_crash_that_forgets_loses_the_disk_as_well() -> None:
    short = chain(on_disk=("processor",))
    records = played(short, *DEAD_WITH_A_REVERSAL, forgets=True)
    assert "unknowns_resolved" in rules_broken(short, records)


@pytest.mark.parametrize("on_disk", [(), ("gateway",)])
def test_a_gateway_that_dies_over_a_payment_charges_once_when_it_is_asked_again(
    on_disk: tuple[str, ...],
) -> None:
    # The processor has approved and answers after 200 ms; by then the gateway is dead. With an
    # outbox it reverses that and begins anew; without, it sends the same again and is replayed.
    short = chain(asks_again="1s", on_disk=on_disk)
    faults = on("processor", "slow_answer", 0, 100, 200), on("gateway", "crash", 100, 100)
    records = played(short, *faults)
    (paid,) = (one for one in records if isinstance(one, PaymentRecord))
    assert paid.told == "approved"
    assert rules_broken(short, records) == []


def test_a_customer_who_asks_again_learns_what_was_lost() -> None:
    lost = on("gateway", "lost_answer", 0, 500)
    once, again = chain(), chain(asks_again="1s")
    assert rules_broken(once, played(once, lost)) == ["no_orphaned_authorisation"]
    records = played(again, lost)
    assert rules_broken(again, records) == []
    tries = [one for one in records if getattr(one, "caller", "") == "customer"]
    assert [(one.result, one.try_number) for one in tries] == [("timeout", 1), ("approved", 2)]
    assert len({one.span for one in tries}) == 2


def test_requests_stored_after_a_crash_are_delivered() -> None:
    # The processor is down for 1.5 s. What was stored before the gateway's crash at 300 ms is
    # lost with it; the payments from 600 ms on (numbers 3 to 9) are stored and delivered.
    queue = "on_unknown: reverse, fallback: [{queue: {pause: 200ms}}]"
    short = chain(CHAIN.replace("on_unknown: reverse", queue, 1))
    faults = on("processor", "down", 0, 1_500), on("gateway", "crash", 300, 200)
    records = played(short, *faults, payments=10)
    delivered = [
        one.payment
        for one in records
        if isinstance(one, Decision) and one.kind is DecisionKind.QUEUE_DELIVERED
    ]
    assert set(delivered) >= {f"p{number:07d}" for number in range(3, 7)}


def test_an_isolated_link_has_no_disk() -> None:
    short = chain(on_disk=("issuer",))
    short.links["issuer"] = short.links["issuer"].model_copy(update={"isolate": True})
    (problem,) = check_chain(short)
    assert problem.what == "issuer is isolated: its process keeps nothing on disk"
