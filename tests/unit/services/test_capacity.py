"""Links that carry so much and no more, and overload that outlives its cause."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from paychain.model.lifecycle import Capacity
from paychain.payments.journal import HopRecord
from paychain.services.capacity import AdmissionQueue
from paychain.simulation.simulate import simulate
from tests.support.chains import corner_shop, experiment
from tests.support.virtual_links import VirtualLinks, on_links
from tests.support.virtual_runs import amplification, broken, phase, run_virtually

TENTH = {"answers_in": {"median": "100ms", "p99": "100ms"}}


def test_a_place_is_free_after_a_crash_of_whoever_had_it_and_whoever_waited() -> None:
    async def work() -> bool:
        capacity = AdmissionQueue(Capacity(concurrency=1, queue=1))
        assert await capacity.enter()
        waiting = asyncio.ensure_future(capacity.enter())
        await asyncio.sleep(0)
        # The link dies: the one who waits is cancelled, and before it learns of that the other
        # one leaves.
        waiting.cancel()
        capacity.leave()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return await capacity.enter()

    assert asyncio.run(work())


def test_places_are_given_in_order_and_never_lost() -> None:
    async def work() -> list[str]:
        capacity = AdmissionQueue(Capacity(concurrency=1, queue=2))
        seen: list[str] = []

        async def request(name: str) -> None:
            if not await capacity.enter():
                seen.append(f"{name} refused")
                return
            try:
                await asyncio.sleep(1)
                seen.append(name)
            finally:
                capacity.leave()

        first, *rest = [asyncio.create_task(request(name)) for name in "abcd"]
        await asyncio.sleep(0.5)
        rest[0].cancel()  # b waits and dies, and a dies with its place: c gets it
        first.cancel()
        await asyncio.gather(first, *rest, return_exceptions=True)
        await asyncio.create_task(request("e"))
        return seen

    assert simulate(lambda _loop: work()) == ["d refused", "c", "e"]


def burst(text: str, number: int) -> list[Any]:
    """The gateway's authorisations of so many payments that come together, as they ended."""

    async def work(links: VirtualLinks) -> None:
        await asyncio.gather(*(links.pay(f"p{each}") for each in range(number)))
        await links.drain()

    links, _ = on_links(text, work)
    assert all(links.broken(f"p{each}") == {} for each in range(number))
    return [
        (hop.result, hop.code, round((hop.ended_ns - hop.started_ns) / 1e9, 1))
        for hop in links.journal
        if isinstance(hop, HopRecord) and hop.caller == "gateway"
    ]


def test_what_a_full_link_refuses_was_not_executed() -> None:
    capacity = {"capacity": {"concurrency": "2", "queue": "3"}}
    text = corner_shop(on_unknown="reverse", processor={**TENTH, **capacity}, issuer=TENTH)
    # 2 take 0.2 s, the next 2 wait for them, the fifth waits for those; 2 of 7 are refused at once
    # and nothing is reversed.
    ends = sorted(burst(text, 7), key=lambda end: (end[2], end[0]))
    assert ends == [
        ("rejected", "503", 0.0),
        ("rejected", "503", 0.0),
        ("approved", "00", 0.2),
        ("approved", "00", 0.2),
        ("approved", "00", 0.4),
        ("approved", "00", 0.4),
        ("approved", "00", 0.6),
    ]


def test_without_a_capacity_a_link_works_on_any_number_at_once() -> None:
    ends = burst(corner_shop(processor=TENTH), 50)
    assert {end[0] for end in ends} == {"approved"}
    assert max(end[2] for end in ends) <= 0.2


def test_a_request_that_waited_too_long_for_its_deadline_is_not_worked_on() -> None:
    capacity = {"capacity": {"concurrency": "1", "queue": "10"}}
    text = corner_shop(deadline="350ms", propagate_deadline=True, processor={**TENTH, **capacity})
    ends = [end[0] for end in burst(text, 6)]
    # 0.1 s each, one after the other: the fourth cannot be ready within 0.35 s
    assert ends.count("approved") == 3
    assert ends.count("technical") == 3


# 6 places of 0.1 s carry 60/s, and 20/s are paid. When all time out, retries and reversals ask for
# 20 * 3 + 20 = 80/s; with a budget of 10 % they ask for 20 + 2 + 20 = 42/s. A full queue takes
# 100 / 60 = 1.7 s, longer than the timeout.
def overloaded(**retry: Any) -> str:
    capacity = {"capacity": {"concurrency": "6", "queue": "100"}}
    declared = {"attempts": "3", "on": ["timeout"], "backoff": "50ms", **retry}
    return corner_shop(
        timeout="1s",
        deadline="4s",
        authorise={"retry": declared, "on_unknown": "reverse"},
        processor={**TENTH, **capacity},
    )


SLOW = "{id: slow, at: 0s, for: 5s, target: {link: processor}, slow_answer: {delay: 2s}}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("retry", "recovers"),
    [({}, False), ({"budget": {"share": "10%"}}, True)],
    ids=["unlimited", "budget"],
)
def test_an_overload_outlives_its_cause_unless_retries_are_limited(
    tmp_path: Path, retry: dict[str, Any], recovers: bool
) -> None:
    load = experiment(SLOW, arrivals="20/s", before="2s", after="25s")
    result = run_virtually(tmp_path, overloaded(**retry), load)
    recovery = result.recovery.recovery_s
    if recovers:
        assert recovery is not None
        assert recovery < 12
        assert amplification(result) <= 1.11
    else:
        assert recovery is None
        recovering = phase(result, "recovery").technical_success
        assert recovering is not None
        assert recovering < 0.5
        assert amplification(result) > 1.5
    assert broken(result) == {}
