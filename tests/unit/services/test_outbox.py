"""What a dead link still has to do, and a customer who retries."""

from __future__ import annotations

from typing import Any

import pytest

from paychain.analysis.money.parties import Parties
from paychain.environment.simulated_run import simulate_run
from paychain.explore.checks import broken
from paychain.explore.schedules import FaultChoice, ScheduledFault, declaration
from paychain.model.chain import Chain
from paychain.model.checks import check_chain
from paychain.model.experiment import Experiment
from paychain.payments.journal import Decision, DecisionKind, PaymentRecord
from tests.support.chains import checked, corner_shop


def chain(
    *,
    retry_after: str = "",
    on_disk: tuple[str, ...] = (),
    fallback: tuple[dict[str, Any], ...] = (),
) -> Chain:
    """One processor with short timeouts; some links keep their outbox on disk."""
    customer: Any = {"customer": {"retry": {"after": retry_after}}} if retry_after else {}
    queue: Any = {"fallback": list(fallback)} if fallback else {}
    short = checked(
        corner_shop(
            deadline="10s",
            timeout="900ms",
            on_unknown="reverse",
            authorise=queue,
            processor_timeout="300ms",
            processor_authorise={"on_unknown": "reverse"},
            **customer,
        )
    )
    for name in on_disk:
        short.links[name] = short.links[name].model_copy(update={"outbox": "disk"})
    return short


def on(
    link: str, kind: str, start_ms: int, duration_ms: int, magnitude_ms: int = 50
) -> ScheduledFault:
    choice = FaultChoice(kind, ("link", link), has_magnitude=kind == "slow_answer")
    return ScheduledFault(choice, start_ms, duration_ms, magnitude_ms)


def played(
    chain: Chain, *faults: ScheduledFault, payments: int = 1, forgets: bool = False
) -> list[Any]:
    declared = declaration(faults, name="short", payments=payments, rate=5)
    for fault in declared["faults"]:
        if forgets and "crash" in fault:
            fault["crash"] = {"forgets": True}
    return simulate_run(chain, Experiment.model_validate(declared), 1).records


def rules_broken(chain: Chain, records: list[Any]) -> list[str]:
    return [finding.rule for finding in broken(records, Parties.of(chain), None)]


# The processor gives up on the issuer at 300 ms and reverses. The reversal is not acknowledged
# either until 600 ms; the processor is down from 350 to 650 ms.
DEAD_WITH_A_REVERSAL = (on("issuer", "lost_answer", 0, 600), on("processor", "crash", 350, 300))


def test_a_reversal_under_way_is_lost_in_a_crash() -> None:
    short = chain()
    assert "unknowns_resolved" in rules_broken(short, played(short, *DEAD_WITH_A_REVERSAL))


def test_a_reversal_on_disk_goes_on_when_its_link_is_back() -> None:
    short = chain(on_disk=("processor",))
    records = played(short, *DEAD_WITH_A_REVERSAL)
    assert rules_broken(short, records) == []
    made = [
        record for record in records if isinstance(record, Decision) and record.link == "processor"
    ]
    acknowledged = [each for each in made if each.kind is DecisionKind.REVERSAL_ACKNOWLEDGED]
    assert [each.at_ns > 650e6 for each in acknowledged] == [True]


def test_a_crash_that_forgets_loses_the_disk_as_well() -> None:
    short = chain(on_disk=("processor",))
    records = played(short, *DEAD_WITH_A_REVERSAL, forgets=True)
    assert "unknowns_resolved" in rules_broken(short, records)


@pytest.mark.parametrize("on_disk", [(), ("gateway",)])
def test_a_gateway_that_dies_over_a_payment_charges_once_when_the_customer_retries(
    on_disk: tuple[str, ...],
) -> None:
    # The processor has approved and answers after 200 ms; by then the gateway is dead. With an
    # outbox it reverses that and begins anew; without, it sends the same again and is replayed.
    short = chain(retry_after="1s", on_disk=on_disk)
    faults = on("processor", "slow_answer", 0, 100, 200), on("gateway", "crash", 100, 100)
    records = played(short, *faults)
    (paid,) = (record for record in records if isinstance(record, PaymentRecord))
    assert paid.shown == "approved"
    assert rules_broken(short, records) == []


def test_a_customer_who_retries_learns_what_was_lost() -> None:
    lost = on("gateway", "lost_answer", 0, 500)
    once, again = chain(), chain(retry_after="1s")
    assert rules_broken(once, played(once, lost)) == ["no_orphaned_authorisation"]
    records = played(again, lost)
    assert rules_broken(again, records) == []
    tries = [record for record in records if getattr(record, "caller", "") == "customer"]
    assert [(each.result, each.try_number) for each in tries] == [("timeout", 1), ("approved", 2)]
    assert len({each.span for each in tries}) == 2


def test_requests_stored_after_a_crash_are_delivered() -> None:
    # The processor is down for 1.5 s. What was stored before the gateway's crash at 300 ms is
    # lost with it; the payments from 600 ms on (numbers 3 to 9) are stored and delivered.
    short = chain(fallback=({"queue": {"pause": "200ms"}},))
    faults = on("processor", "down", 0, 1_500), on("gateway", "crash", 300, 200)
    records = played(short, *faults, payments=10)
    delivered = [
        record.payment
        for record in records
        if isinstance(record, Decision) and record.kind is DecisionKind.QUEUE_DELIVERED
    ]
    assert set(delivered) >= {f"p{number:07d}" for number in range(3, 7)}


def test_an_isolated_link_has_no_disk() -> None:
    short = chain(on_disk=("issuer",))
    short.links["issuer"] = short.links["issuer"].model_copy(update={"isolate": True})
    (problem,) = check_chain(short)
    assert problem.what == "issuer is isolated: its process keeps nothing on disk"
