"""Faults on the n-th request of a payment: an exact number of failures, without chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from paychain.faults.kind import RequestFaultKind
from paychain.faults.kinds import KINDS
from tests.support.chains import corner_shop, experiment
from tests.support.virtual_links import on_links
from tests.support.virtual_runs import amplification, broken, phase, run_virtually
from tests.unit.services.test_link_faults import switch_on

IN_LINK = [name for name, kind in KINDS.items() if issubclass(kind, RequestFaultKind)]
FIRST_TWO = (
    "{id: flaky, at: 0s, for: 4s, target: {call: gateway.authorise}, "
    "http_error: {status: 503, first: 2}}"
)


def shop(attempts: int, **retry: Any) -> str:
    declared = {"attempts": attempts, "backoff": "20ms", "jitter": "none", **retry}
    return corner_shop(answers_at_once=True, authorise={"retry": declared})


@pytest.mark.parametrize(("attempts", "success", "sent"), [(3, 1.0, 3.0), (2, 0.0, 2.0)])
def test_exactly_the_declared_tries_are_made(
    tmp_path: Path, attempts: int, success: float, sent: float
) -> None:
    # Every payment of the run starts and ends while the fault is on: nothing is at its edges.
    load = experiment(FIRST_TWO, arrivals="20/s", warm_up="0s", before="0s", after="0s")
    result = run_virtually(tmp_path, shop(attempts), load)
    assert phase(result, "all").offered == 80
    assert phase(result, "all").technical_success == success
    assert amplification(result) == sent
    # 2 of each payment's requests are affected, whatever comes after them
    assert result.faults[0].hits == 160


@pytest.mark.parametrize(
    ("chosen", "affected"),
    [({"first": 2}, [1, 2]), ({"requests": [1, 3]}, [1, 3]), ({"requests": [4]}, [4])],
)
def test_requests_are_chosen_by_their_number(chosen: dict[str, Any], affected: list[int]) -> None:
    text = shop(5, on=["technical"])

    async def work(links: Any) -> None:
        # Declines with a technical code are tried again, as authorisations of their own.
        switch_on(links, "decline", operation=None, code="91", **chosen)
        for payment in ("p1", "p2"):
            await links.pay(payment)
        await links.drain()

    links, _ = on_links(text, work)
    # tries go on until one is approved: the first number that is not chosen
    ends = next(number for number in range(1, 6) if number not in affected)
    expected = sum(number < ends for number in affected)
    for payment in ("p1", "p2"):
        assert links.decisions("processor", payment).count("fault_hit") == expected
    assert links.host.faults.hits == {"f": 2 * expected}


@pytest.mark.parametrize("name", IN_LINK)
def test_every_fault_in_a_link_can_be_on_the_nth_request(name: str) -> None:
    values = dict(KINDS[name].facts.switch[0]) | {"requests": [2]}
    kind = KINDS[name].model_validate(values)
    assert isinstance(kind, RequestFaultKind)
    assert [kind.chooses(number) for number in (1, 2, 3)] == [False, True, False]
    with pytest.raises(ValidationError, match="first and requests"):
        KINDS[name].model_validate(values | {"first": "1"})


def test_requests_of_one_payment_are_counted_over_the_windows_of_a_fault() -> None:
    async def work(links: Any) -> list[str]:
        found = []
        for _ in range(3):  # the customer repeats the payment, and each time the fault is back
            switch_on(links, "decline", first=2)
            found.append(str((await links.pay("p1")).result))
            links.host.faults.heal("f")
        return found

    _, results = on_links(corner_shop(answers_at_once=True, gateway={"idempotency": "none"}), work)
    assert results == ["technical", "technical", "approved"]


def test_a_fault_with_the_first_requests_breaks_no_money_rule(tmp_path: Path) -> None:
    load = experiment(
        "{id: lost, at: 0s, for: 3s, target: {link: processor}, lost_answer: {requests: [1]}}",
        arrivals="10/s",
        before="0s",
        after="1s",
    )
    text = corner_shop(
        answers_at_once=True,
        deadline="5s",
        authorise={"retry": {"attempts": 2, "on": ["timeout"], "backoff": "10ms"}},
    )
    result = run_virtually(tmp_path, text, load)
    # The key recognises the repeat, so each payment is charged once although one answer is lost.
    assert broken(result) == {}
    assert phase(result, "during").technical_success == 1.0
