"""Rate limits and Retry-After: what is refused, and when a caller may come again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paychain.declaration.yaml_text import parse
from paychain.faults.kinds.rate_limit import RateLimit
from paychain.payments.journal import HopRecord
from paychain.services.rate_window import RateWindow
from tests.support.chains import corner_shop, experiment
from tests.support.virtual_links import VirtualLinks, on_links
from tests.support.virtual_runs import amplification, broken, phase, run_virtually
from tests.unit.services.test_link_faults import switch_on

LIMIT = (
    "{id: limit, at: 0s, for: 10s, target: {call: gateway.authorise}, "
    "rate_limit: {rate: 10/s, retry_after: 2s}}"
)


def shop(*, deadline: str = "5s", retry: dict[str, Any] | None = None, **changes: Any) -> str:
    declared = {"attempts": 2, "backoff": "10ms", "jitter": "none", **(retry or {})}
    return corner_shop(
        answers_at_once=True, deadline=deadline, authorise={"retry": declared}, **changes
    )


@pytest.mark.parametrize(
    ("rate", "arrivals_per_s", "admitted"),
    [(50, 100, 500), (50, 40, 400), (2.5, 10, 26), (0.5, 1, 5)],
)
def test_a_link_takes_its_rate_and_no_more(rate: float, arrivals_per_s: int, admitted: int) -> None:
    # 10 s of evenly spaced requests: 50/s of 100/s is 500; 2 in 0.8 s is 26, because the 13th
    # window begins at 9.6 s.
    window = RateWindow(rate)
    step_ns = 10**9 // arrivals_per_s
    taken = [number for number in range(10 * arrivals_per_s) if window.admits(number * step_ns)]
    assert len(taken) == admitted


def test_what_is_above_the_rate_is_refused_and_moves_no_money(tmp_path: Path) -> None:
    # 20/s against 10/s, evenly: 10 of the 20 requests of each second are refused.
    text = corner_shop(answers_at_once=True, on_unknown="reverse")
    load = experiment(LIMIT, arrivals="20/s", warm_up="0s", before="0s", after="0s")
    result = run_virtually(tmp_path, text, load)
    assert phase(result, "all").offered == 200
    assert phase(result, "all").technical_success == 0.5
    assert result.faults[0].hits == 100
    assert broken(result) == {}
    # A refusal proves that nothing was done: nothing is reversed, nothing is tried again.
    assert amplification(result) == 1.0
    assert not any(hop.operation == "void" and hop.count for hop in result.hops)


def sends(links: VirtualLinks) -> list[float]:
    """When the gateway sent its requests, in seconds after the first."""
    at_ns = [hop.started_ns for hop in links.of(HopRecord) if hop.caller == "gateway"]
    return [(each - at_ns[0]) / 1e9 for each in at_ns]


def pay(text: str, **fault: Any) -> tuple[VirtualLinks, str]:
    async def work(links: VirtualLinks) -> str:
        switch_on(links, "http_error", **{"status": 429, "requests": [1], **fault})
        reply = await links.pay(timeout_s=100)
        await links.drain()
        return str(reply.result)

    return on_links(text, work)


@pytest.mark.parametrize("status", [429, 503])
def test_no_retry_comes_before_retry_after_is_over(status: int) -> None:
    links, result = pay(shop(), status=status, retry_after="2s")
    assert result == "approved"
    first, second = sends(links)
    assert first == 0
    assert 2.0 <= second < 2.1


def test_a_naive_client_ignores_retry_after() -> None:
    links, result = pay(shop(retry={"respects_retry_after": "false"}), retry_after="2s")
    assert result == "approved"
    assert sends(links)[1] < 0.1


def test_a_caller_that_knows_its_deadline_does_not_wait_beyond_it() -> None:
    links, result = pay(shop(deadline="1500ms", propagate_deadline=True), retry_after="2s")
    assert result == "technical"
    assert sends(links) == [0]
    assert "suppressed" in links.decisions("gateway")


def test_a_single_call_of_the_entry_that_passes_the_deadline_on_knows_it() -> None:
    declared = {"attempts": 2, "backoff": "10ms", "jitter": "none"}
    call = {"retry": declared, "propagate_deadline": True}
    chain = corner_shop(answers_at_once=True, deadline="1500ms", authorise=call)
    links, result = pay(chain, retry_after="2s")
    assert result == "technical"
    assert sends(links) == [0]


@pytest.mark.parametrize("asked", ["61s", "3600s"])
def test_a_pause_that_no_payment_can_wait_for_ends_the_call(asked: str) -> None:
    links, result = pay(shop(deadline="100s"), retry_after=asked)
    assert result == "technical"
    assert sends(links) == [0]


def test_a_reversal_does_not_come_earlier_than_it_is_asked_to() -> None:
    async def work(links: VirtualLinks) -> None:
        switch_on(links, "lost_answer")
        await links.pay()
        links.host.faults.heal("f")
        switch_on(links, "http_error", operation="void", status=429, first=1, retry_after="3s")
        await links.drain()

    links, _ = on_links(corner_shop(answers_at_once=True, on_unknown="reverse"), work)
    voids = [
        hop.started_ns
        for hop in links.of(HopRecord)
        if (hop.caller, hop.operation) == ("gateway", "void")
    ]
    assert len(voids) == 2
    assert voids[1] - voids[0] >= 3e9
    assert links.broken() == {}


def test_retry_after_counts_whole_seconds() -> None:
    with pytest.raises(ValueError, match="whole seconds"):
        RateLimit.model_validate(parse("{rate: 10/s, retry_after: 500ms}").value)
    with pytest.raises(ValueError, match="greater than 0"):
        RateLimit.model_validate(parse("{rate: 0/s}").value)
