"""The event log, addresses, and JSON in Go's manner."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from paychain.toxics.address import BadAddress, joined, resolved, split
from paychain.toxics.api import Api
from paychain.toxics.events import MAX_EVENTS_PER_REPLY, EventLog
from paychain.wire.http import HttpRequest

LIMIT = MAX_EVENTS_PER_REPLY


def test_events_are_reported_in_pages_and_only_once() -> None:
    clock = count(1_000)
    log = EventLog(lambda: next(clock))
    for number in range(LIMIT + 10):
        log.add("connected", "p", number)
    first = log.after(0)
    assert (len(first["events"]), first["next"], first["dropped"]) == (LIMIT, LIMIT, 0)
    assert first["events"][0] == {
        "seq": 1,
        "at_ns": 1_000,
        "kind": "connected",
        "proxy": "p",
        "connection": 0,
        "toxic": None,
        "detail": "",
    }
    second = log.after(first["next"])
    assert [event["seq"] for event in second["events"]] == list(range(LIMIT + 1, LIMIT + 11))
    third = log.after(second["next"])
    assert third == {"next": LIMIT + 10, "dropped": 0, "events": []}


def test_a_full_log_reports_to_a_reader_what_it_missed() -> None:
    log = EventLog(lambda: 0, max_events=3)
    for _ in range(10):
        log.add("reset", "")
    assert [event["seq"] for event in log.after(0)["events"]] == [8, 9, 10]
    assert log.after(0)["dropped"] == 7
    assert log.after(5)["dropped"] == 2
    assert log.after(8)["dropped"] == 0
    assert [event["seq"] for event in log.after(8)["events"]] == [9, 10]
    assert log.after(99)["events"] == []


def test_the_api_puts_every_switch_on_record_with_the_clock_it_was_given() -> None:
    async def scenario() -> list[tuple[str, str, str | None, int]]:
        clock = count(1)
        api = Api(1, lambda: next(clock))

        async def ask(method: str, path: str, body: str = "") -> None:
            answer = await api.handle(HttpRequest(method, path, {}, body.encode()))
            assert answer.status < 300, answer

        listen = '"listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"'
        await ask("POST", "/proxies", f'{{"name": "p", {listen}}}')
        await ask("POST", "/proxies/p/toxics", '{"type": "latency", "name": "t"}')
        await ask("PATCH", "/proxies/p/toxics/t", '{"attributes": {"latency": 5}}')
        await ask("DELETE", "/proxies/p/toxics/t")
        await ask("PATCH", "/proxies/p", '{"enabled": false}')
        await ask("POST", "/proxies/p/toxics", '{"type": "noop", "name": "u"}')
        await ask("POST", "/reset")
        await ask("DELETE", "/proxies/p")
        return [
            (event["kind"], event["proxy"], event["toxic"], event["at_ns"])
            for event in api.events.after(0)["events"]
        ]

    assert asyncio.run(scenario()) == [
        ("proxy_created", "p", None, 1),
        ("proxy_enabled", "p", None, 2),
        ("toxic_added", "p", "t", 3),
        ("toxic_updated", "p", "t", 4),
        ("toxic_removed", "p", "t", 5),
        ("proxy_disabled", "p", None, 6),
        ("toxic_added", "p", "u", 7),
        ("reset", "", None, 8),
        ("toxic_removed", "p", "u", 9),
        ("proxy_enabled", "p", None, 10),
        ("proxy_disabled", "p", None, 11),
        ("proxy_deleted", "p", None, 12),
    ]


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("", ("", 0)),
        (":", ("", 0)),
        (":80", ("", 80)),
        ("a:", ("a", 0)),
        ("a:+80", ("a", 80)),
        ("127.0.0.1:65535", ("127.0.0.1", 65535)),
        ("[::1]:1", ("::1", 1)),
        ("[fe80::1%lo]:1", ("fe80::1%lo", 1)),
        ("a:0080", ("a", 80)),
    ],
)
def test_an_address_has_a_host_and_a_port(address: str, parts: tuple[str, int]) -> None:
    assert split(address) == parts


@pytest.mark.parametrize("address", ["a", "a:b", "a:65536", "a:-1", "::1", "[::1", "[::1]", "a:²"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(BadAddress):
        split(address)


def test_a_name_is_resolved_to_ipv4_first_and_numbers_stay() -> None:
    async def all_of_them() -> list[tuple[str, int]]:
        loop = asyncio.get_running_loop()
        return [
            await resolved(each, loop) for each in ("localhost:1", ":2", "10.1.2.3:4", "[::1]:5")
        ]

    assert asyncio.run(all_of_them()) == [("127.0.0.1", 1), ("", 2), ("10.1.2.3", 4), ("::1", 5)]
    assert joined("::1", 5) == "[::1]:5"
