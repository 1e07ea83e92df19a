"""What only the embedded engine has: refuse, blackhole, counters, events, bounded memory."""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import threading
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from test_toxic_effects import crossing

from paychain.toxics.events import EventLog
from paychain.toxics.proxy import Proxy
from tests.support.engine_subject import (
    Proxied,
    Subject,
    Upstream,
    connect,
    end_of,
    is_silent,
    receive,
)
from tests.support.waiting import settled, wait_until


def counters(engine: Subject, proxy: Proxied) -> Any:
    return engine.ask("GET", "/counters").json[proxy.name]


def events(engine: Subject, after: int = 0) -> list[dict[str, Any]]:
    return list(engine.ask("GET", f"/events?after={after}").json["events"])


def kinds(engine: Subject, *wanted: str) -> list[str]:
    return [event["kind"] for event in events(engine) if event["kind"] in wanted]


def resident_mb(engine: Subject) -> float:
    """Memory of the engine's process."""
    pages = int(Path(f"/proc/{engine.process.pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def open_files(engine: Subject) -> int:
    return len(list(Path(f"/proc/{engine.process.pid}/fd").iterdir()))


def test_refuse_refuses_new_connections_and_spares_those_that_stand(
    ours: Subject, upstream: Upstream
) -> None:
    proxy = ours.proxy(upstream.address)
    pair = upstream.pair(proxy)
    path = ours.toxic(proxy, "refuse")
    with pytest.raises(ConnectionRefusedError):
        connect(proxy.port)
    crossing(pair, "upstream")
    shown = ours.ask("GET", f"/proxies/{proxy.name}").json
    assert (shown["enabled"], shown["listen"]) == (True, f"127.0.0.1:{proxy.port}")
    ours.must(200, "PATCH", path, {"toxicity": 0})
    upstream.pair(proxy)
    ours.must(200, "PATCH", path, {"toxicity": 1})
    ours.must(204, "DELETE", path)
    crossing(upstream.pair(proxy), "upstream")
    crossing(pair, "downstream")


def test_refuse_with_a_share_resets_the_same_connections_in_every_run(
    ours: Subject, upstream: Upstream
) -> None:
    def resets(name: str) -> str:
        proxy = ours.proxy(upstream.address, name=name)
        ours.toxic(proxy, "refuse", toxicity=0.5)
        pattern = ""
        for _ in range(20):
            try:
                client = connect(proxy.port)
            except ConnectionResetError:  # it was quicker than we
                pattern += "x"
                continue
            ready = select.select([client, upstream.socket], [], [], 10)[0]
            pattern += "x" if client in ready else "."
            if client in ready:
                assert end_of(client) == "rst"
            else:
                upstream.accept()
            client.close()
        assert counters(ours, proxy)["refused"] == pattern.count("x")
        assert counters(ours, proxy)["toxics"]["toxic"]["hits"] == pattern.count("x")
        ours.must(204, "DELETE", f"/proxies/{name}")
        return pattern

    first = resets("same")
    assert set(first) == {".", "x"}
    assert first == resets("same")
    assert first != resets("other")


def test_nobody_takes_the_port_of_a_refusal(ours: Subject, upstream: Upstream) -> None:
    proxy = ours.proxy(upstream.address)
    path = ours.toxic(proxy, "refuse")
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", proxy.port))
    ours.must(204, "DELETE", path)
    upstream.pair(proxy)


def test_a_proxy_that_refuses_from_the_start_has_its_port(
    ours: Subject, upstream: Upstream
) -> None:
    taken = ours.proxy(upstream.address)
    given = {"name": "second", "upstream": "u:1", "listen": f"127.0.0.1:{taken.port}"}
    answer = ours.ask("POST", "/proxies", given)
    message = f"listen tcp 127.0.0.1:{taken.port}: bind: address already in use"
    assert (answer.status, answer.json["error"]) == (500, message)
    ours.must(204, "DELETE", f"/proxies/{taken.name}")
    ours.must(201, "POST", "/proxies", given)  # a deleted proxy gives its port away


def test_a_blackhole_answers_nothing_dials_nothing_and_gives_back_what_waited(
    ours: Subject, upstream: Upstream
) -> None:
    proxy = ours.proxy(upstream.address)
    standing = upstream.pair(proxy)
    path = ours.toxic(proxy, "blackhole")
    crossing(standing, "downstream")
    waiting, gone = connect(proxy.port), connect(proxy.port)
    waiting.sendall(b"are you there")
    gone.close()
    assert is_silent(waiting, 0.3)
    wait_until(lambda: counters(ours, proxy)["live"] == 2, "who gave up is forgotten")
    ours.must(204, "DELETE", path)
    assert receive(upstream.accept(), 13) == b"are you there"
    assert kinds(ours, "toxic_hit", "connected") == [
        "connected",
        "toxic_hit",
        "toxic_hit",
        "connected",
    ]


def test_a_blackhole_takes_no_more_than_its_fill(ours: Subject, upstream: Upstream) -> None:
    proxy = ours.proxy(upstream.address)
    ours.toxic(proxy, "blackhole")
    before = resident_mb(ours)
    clients = [connect(proxy.port) for _ in range(20)]
    for client in clients:
        client.setblocking(False)
        try:
            while True:
                client.send(b"x" * 65_536)
        except BlockingIOError:
            pass
    # 20 clients, each with 64 KiB and one read at most
    assert settled(lambda: resident_mb(ours)) - before < 20
    ours.must(204, "DELETE", f"/proxies/{proxy.name}")
    for client in clients:
        client.close()


def test_counters_are_live(ours: Subject, upstream: Upstream) -> None:
    proxy = ours.proxy(upstream.address)
    pair = upstream.pair(proxy)
    ours.toxic(proxy, "latency", "upstream", name="late", latency=1)
    ours.toxic(proxy, "slicer", "downstream", name="thin", average_size=10)
    crossing(pair, "upstream", b"x" * 300)
    crossing(pair, "downstream", b"x" * 100)
    shown = counters(ours, proxy)
    assert {name: shown[name] for name in ("accepted", "refused", "live", "dial_failed")} == {
        "accepted": 1,
        "refused": 0,
        "live": 1,
        "dial_failed": 0,
    }
    assert shown["bytes"] == {
        "upstream": {"received": 300, "sent": 300},
        "downstream": {"received": 100, "sent": 100},
    }
    assert shown["toxics"] == {
        "late": {"connections": 1, "hits": 1, "bytes": 300},
        "thin": {"connections": 1, "hits": 1, "bytes": 100},
    }
    metrics = ours.ask("GET", "/metrics").body.decode()
    labels = f'proxy="{proxy.name}",stream="upstream",toxic="late",type="latency"'
    assert f"paychain_toxic_hits_total{{{labels}}} 1\n" in metrics
    assert f"paychain_toxic_bytes_total{{{labels}}} 300\n" in metrics
    assert f'paychain_connections_open{{proxy="{proxy.name}"}} 1\n' in metrics
    pair.close()
    wait_until(lambda: counters(ours, proxy)["live"] == 0, "the connection is over")
    assert counters(ours, proxy)["bytes"]["upstream"] == {"received": 300, "sent": 300}


def test_events_report_every_switch_and_connection_with_monotonic_times(
    ours: Subject, upstream: Upstream
) -> None:
    before = time.monotonic_ns()
    proxy = ours.proxy(upstream.address, name="p")
    pair = upstream.pair(proxy)
    path = ours.toxic(proxy, "latency", latency=1)
    crossing(pair, "downstream")
    crossing(pair, "downstream")
    ours.must(204, "DELETE", path)
    pair.close()
    wait_until(lambda: "closed" in kinds(ours, "closed"), "the end is on record")
    ours.must(204, "DELETE", "/proxies/p")
    log = ours.ask("GET", "/events").json
    assert log["dropped"] == 0
    assert log["next"] == len(log["events"])
    # An engine whose machine stood still tells it between the others.
    events_here = [event for event in log["events"] if event["kind"] != "stalls"]
    assert [
        (event["kind"], event["proxy"], event["connection"], event["toxic"])
        for event in events_here
    ] == [
        ("proxy_created", "p", None, None),
        ("proxy_enabled", "p", None, None),
        ("connected", "p", 1, None),
        ("toxic_added", "p", None, "toxic"),
        ("toxic_hit", "p", 1, "toxic"),
        ("toxic_removed", "p", None, "toxic"),
        ("closed", "p", 1, None),
        ("proxy_disabled", "p", None, None),
        ("proxy_deleted", "p", None, None),
    ]
    times = [event["at_ns"] for event in log["events"]]
    assert times == sorted(times)
    assert before <= times[0]
    assert times[-1] <= time.monotonic_ns()
    numbers = [event["seq"] for event in log["events"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert events_here[6]["detail"] == "ended; 0 B up, 8 B down"
    later = [event["seq"] for event in events(ours, events_here[6]["seq"])]
    assert later[: len(numbers)] == numbers[events_here[6]["seq"] :]


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "", "9" * 30])
def test_events_after_what_is_no_number_are_refused(ours: Subject, after: str) -> None:
    wanted = 200 if after == "" else 400  # an empty parameter is none
    assert ours.ask("GET", f"/events?after={after}").status == wanted


def test_a_dial_that_gets_no_answer_ends_in_time_and_holds_up_nobody(upstream: Upstream) -> None:
    deaf = Upstream(backlog=0)
    fillers = []
    for _ in range(4):  # a full queue: the kernel drops further SYNs
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(deaf.socket.getsockname())
        fillers.append(filler)

    async def scenario() -> list[str]:
        clock = count()
        log = EventLog(lambda: next(clock))
        proxy = Proxy("p", "127.0.0.1:0", deaf.address, 1, events=log, dial_s=0.3)
        await proxy.start()
        host, port = proxy.listen.split(":")
        patient, patient_end = await asyncio.open_connection(host, int(port))
        _, hasty = await asyncio.open_connection(host, int(port))
        raw = hasty.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        hasty.transport.abort()
        assert await asyncio.wait_for(patient.read(), 5) == b""
        patient_end.close()
        proxy.upstream = upstream.address
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"x")
        loop = asyncio.get_running_loop()
        server = await loop.run_in_executor(None, upstream.accept)
        server.sendall(b"y")
        assert await reader.readexactly(1) == b"y"
        proxy.stop()
        assert await reader.read() == b""
        await asyncio.sleep(0)
        return [
            f"{event['kind']} {event['connection']} {event['detail']}"
            for event in log.after(0)["events"]
            if event["connection"] and event["kind"] != "closed"
        ]

    events = asyncio.run(scenario())
    for each in (*fillers, deaf):
        each.close()
    assert sorted(events) == [
        "connected 3 ",
        f"dial_failed 1 dial tcp {deaf.address}: no answer",
        "dial_failed 2 abandoned",
    ]


@pytest.mark.slow
def test_a_peer_that_takes_nothing_is_dropped_after_a_close(
    ours: Subject, upstream: Upstream
) -> None:
    proxy = ours.proxy(upstream.address)
    before = settled(lambda: open_files(ours))  # the API's own connections are closed
    pair = upstream.pair(proxy)
    pair.server.settimeout(0.5)
    with pytest.raises(TimeoutError):  # until all buffers between are full
        pair.server.sendall(b"x" * 30_000_000)
    ours.must(204, "DELETE", ours.toxic(proxy, "timeout"))  # ends the connection
    # What was written may still be taken, for five seconds.
    wait_until(lambda: open_files(ours) == before + 1, "the other socket is closed", within_s=4)
    wait_until(lambda: open_files(ours) == before, "its socket is closed")


@pytest.mark.slow
def test_memory_is_flat_behind_a_slow_direction_and_a_reader_that_stalls(
    ours: Subject, upstream: Upstream
) -> None:
    """Senders push as fast as they can for ten seconds through 1 MB/s, into a stalled reader."""
    slow = ours.proxy(upstream.address)
    ours.toxic(slow, "bandwidth", rate=1_000)
    stalled = ours.proxy(upstream.address)
    pairs = [upstream.pair(slow), upstream.pair(stalled)]
    until = time.monotonic() + 10
    received = 0
    before = resident_mb(ours)

    def push(connection: socket.socket) -> None:
        connection.settimeout(0.2)
        while time.monotonic() < until:
            try:
                connection.send(b"x" * 1_000_000)
            except TimeoutError:
                continue

    pushing = [threading.Thread(target=push, args=(pair.server,)) for pair in pairs]
    for thread in pushing:
        thread.start()
    highest = before
    while time.monotonic() < until:
        received += len(pairs[0].client.recv(65_536))
        highest = max(highest, resident_mb(ours))
    for thread in pushing:
        thread.join()
    assert 7_000_000 < received < 11_000_000
    assert highest - before < 10
