"""Links on other machines: where they may be, who may command them, and what is reported."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from paychain.environment.remote.lookup import address_of
from paychain.environment.remote.proof import HEADER, ProvingAuth, check
from paychain.environment.remote.remote import Remote
from paychain.environment.remote.serving import place_of
from paychain.environment.remote.waiting import LEASE_S, WaitingLinks, WaitingPlan
from paychain.model.loading import FileMistakes, load_chain
from paychain.payments.errors import UserError
from paychain.processes.tokens import Authenticator, MessageProof, Unauthenticated
from paychain.wire.http import HttpRequest, HttpResponse

CHAIN = """\
chain: shop
entry: gateway
hosts:
HOSTS
links:
  gateway: {role: gateway, calls: {authorise: {to: issuer, timeout: 1s}}}
  issuer: {role: issuer}
"""
SESSION = "5e5510"
TOKEN = "not-a-secret-in-a-test"


def chain_file(folder: Path, *hosts: str) -> Path:
    path = folder / "shop.yaml"
    path.write_text(CHAIN.replace("HOSTS", "\n".join(f"  {host}" for host in hosts)))
    return path


@pytest.mark.parametrize(
    ("hosts", "line"),
    [
        (
            ["m1: {address: 10.0.0.5, links: [issuer]}"],
            "4:17: 10.0.0.5 is outside loopback and not allowed; "
            "add allow: [10.0.0.5] to the chain",
        ),
        (["m1: {address: 10.0.0, links: [issuer]}"], "4:17: '10.0.0' is not an IPv4 address"),
        (["m1: {address: 127.0.0.2, links: [isuer]}"], "4:36: unknown link 'isuer'; did you mean"),
        (
            [
                "m1: {address: 127.0.0.2, links: [issuer]}",
                "m2: {address: 127.0.0.3, links: [issuer]}",
            ],
            "5:36: link 'issuer' is already placed on m1",
        ),
        (
            [
                "m1: {address: 127.0.0.2, links: [issuer]}",
                "m2: {address: 127.0.0.2, links: [gateway]}",
            ],
            "5:17: 127.0.0.2:7480 is already used by m1",
        ),
        (
            ["m1: {address: 127.0.0.2, links: [issuer], engine: embedded}"],
            "4:53: 'embedded' is neither true nor false",
        ),
    ],
)
def test_a_placement_that_cannot_work_is_reported_with_its_place(
    tmp_path: Path, hosts: list[str], line: str
) -> None:
    path = chain_file(tmp_path, *hosts)
    with pytest.raises(FileMistakes) as caught:
        load_chain(str(path))
    (found,) = caught.value.lines
    assert found.startswith(f"{path}:{line}")


def test_an_isolated_link_stays_with_the_run(tmp_path: Path) -> None:
    path = chain_file(tmp_path, "m1: {address: 127.0.0.2, links: [issuer]}")
    path.write_text(path.read_text().replace("{role: issuer}", "{role: issuer, isolate: true}"))
    with pytest.raises(FileMistakes, match="the run has to start and kill its process itself"):
        load_chain(str(path))


def test_a_host_is_named_by_itself_or_by_its_links(tmp_path: Path) -> None:
    path = chain_file(tmp_path, "m1: {address: 127.0.0.2, links: [issuer, gateway]}")
    chain = load_chain(str(path)).model
    assert place_of(chain, "m1")[0] == place_of(chain, "gateway,issuer")[0] == "m1"
    with pytest.raises(UserError, match="'issuer' is neither a host nor exactly the links of one"):
        place_of(chain, "issuer")


# -- proofs ---------------------------------------------------------------------------------------
def proved(sender: ProvingAuth, method: str, path: str, body: bytes = b"") -> HttpRequest:
    request = requests.Request(method, f"http://127.0.0.2:1{path}", data=body, auth=sender)
    ready = request.prepare()
    headers = {name.lower(): value for name, value in ready.headers.items()}
    return HttpRequest(method, path, headers, body)


def admits(authenticator: Authenticator, http: HttpRequest) -> bool:
    try:
        check(authenticator, http)
    except Unauthenticated:
        return False
    return True


def test_an_order_is_taken_once_and_only_as_it_was_sent() -> None:
    authenticator, sender = Authenticator(TOKEN, SESSION), ProvingAuth(TOKEN, SESSION)
    order = proved(sender, "POST", "/faults/a?b=1", b'{"kind": "decline"}')
    given = MessageProof.decode(bytes.fromhex(order.headers[HEADER]))
    with_number_9 = replace(given, number=9).encode().hex()
    for changed in (
        HttpRequest("DELETE", order.target, order.headers, order.body),
        HttpRequest("POST", "/faults/b", order.headers, order.body),
        HttpRequest("POST", order.target, order.headers, b"{}"),
        HttpRequest("POST", order.target, {**order.headers, HEADER: with_number_9}, order.body),
        HttpRequest("POST", order.target, {**order.headers, HEADER: "no hex"}, order.body),
        HttpRequest("POST", order.target, {}, order.body),
    ):
        assert not admits(authenticator, changed)
    assert admits(authenticator, order)
    assert not admits(authenticator, order)  # whoever heard it cannot say it again
    later = proved(sender, "GET", "/spool/0")
    assert admits(authenticator, proved(ProvingAuth(TOKEN, SESSION), "GET", "/spool/0"))
    assert admits(authenticator, later)


@pytest.mark.parametrize(("token", "session"), [("another-token-of-it", SESSION), (TOKEN, "0")])
def test_an_order_for_another_process_or_without_the_token_is_refused(
    token: str, session: str
) -> None:
    order = proved(ProvingAuth(token, session), "POST", "/end")
    assert not admits(Authenticator(TOKEN, SESSION), order)


# -- what waits -----------------------------------------------------------------------------------
class Clock:
    def __init__(self) -> None:
        self.ns = 1_000_000_000

    def __call__(self) -> int:
        return self.ns


def with_waiting(
    folder: Path, work: Callable[[Callable[..., HttpResponse], WaitingLinks, Clock], None]
) -> None:
    """`work` gets a way to ask, what it asks, and the clock."""
    chain = load_chain(str(chain_file(folder, "m1: {address: 127.0.0.2, links: [issuer]}")))
    plan = WaitingPlan(
        chain=chain.document.value,
        chain_sha256=chain.sha256,
        links=["issuer"],
        has_engine=False,
        address="127.0.0.2",
        port=0,
        spool=str(folder / "spool"),
        ready="",
    )
    loop, clock, sender = asyncio.new_event_loop(), Clock(), ProvingAuth(TOKEN, SESSION)

    async def begin() -> WaitingLinks:
        return WaitingLinks(plan, TOKEN, SESSION, clock)

    waiting = loop.run_until_complete(begin())

    def ask(method: str, path: str, body: bytes = b"") -> HttpResponse:
        return loop.run_until_complete(waiting.handle(proved(sender, method, path, body)))

    try:
        work(ask, waiting, clock)
    finally:
        loop.run_until_complete(waiting.stop())
        loop.close()


def test_links_wait_for_one_run_and_refuse_a_second(tmp_path: Path) -> None:
    def work(ask: Callable[..., HttpResponse], waiting: WaitingLinks, clock: Clock) -> None:
        assert ask("POST", "/drain", b'{"within_s": 1}').status == 409  # no run has started
        begin = json.dumps({"seed": 1, "epoch_ns": 0}).encode()
        assert list(json.loads(ask("POST", "/begin", begin).body)) == ["issuer"]
        assert ask("POST", "/begin", begin).status == 409
        assert json.loads(ask("GET", "/health").body)["entries"] == 0
        assert ask("POST", "/begin", b"{}").status == 409
        assert ask("GET", "/spool/x").status == 400
        assert not waiting.over.is_set()
        ask("POST", "/end")
        assert waiting.over.is_set()

    with_waiting(tmp_path, work)


def test_a_machine_without_an_engine_has_none_to_give_orders_to(tmp_path: Path) -> None:
    def work(ask: Callable[..., HttpResponse], waiting: WaitingLinks, clock: Clock) -> None:
        ask("POST", "/begin", b'{"seed": 1, "epoch_ns": 0}')
        assert ask("GET", "/engine/version").status == 404

    with_waiting(tmp_path, work)


def test_a_run_whose_conductor_is_silent_is_forgotten(tmp_path: Path) -> None:
    def work(ask: Callable[..., HttpResponse], waiting: WaitingLinks, clock: Clock) -> None:
        clock.ns += int(10 * LEASE_S * 1e9)
        assert not waiting.is_forgotten  # nobody has come yet: it waits as long as it takes
        ask("POST", "/begin", b'{"seed": 1, "epoch_ns": 0}')
        clock.ns += int((LEASE_S - 1) * 1e9)
        ask("GET", "/spool/0")
        clock.ns += int((LEASE_S - 1) * 1e9)
        assert not waiting.is_forgotten
        clock.ns += int(2e9)
        assert waiting.is_forgotten

    with_waiting(tmp_path, work)


def test_when_nothing_waits_the_message_names_the_command_to_start(
    tmp_path: Path,
) -> None:
    path = chain_file(tmp_path, "m1: {address: 127.0.0.2, port: 9, links: [issuer], within: 1ms}")
    chain = load_chain(str(path))
    placed = chain.model.hosts["m1"]
    with pytest.raises(UserError) as caught:
        Remote("m1", placed, chain, "").begin(1, 0, tmp_path / "spool")
    assert "m1 is not waiting at 127.0.0.2:9" in str(caught.value)
    assert f"start there: paychain up {path} --only m1" in str(caught.value)


# -- names ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("address", ["10.0.0.256", "1.2.3", "M1", "m1_", "-m1", "m1.5", ""])
def test_what_is_neither_an_address_nor_a_name_is_a_mistake(tmp_path: Path, address: str) -> None:
    path = chain_file(tmp_path, f'm1: {{address: "{address}", links: [issuer]}}')
    with pytest.raises(FileMistakes, match="is not an IPv4 address or a host name"):
        load_chain(str(path))


@pytest.mark.parametrize(("stands_for", "reason"), [("127.0.0.9", ""), ("10.1.2.3", "not allowed")])
def test_a_host_is_looked_up_by_its_name_and_must_be_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stands_for: str, reason: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [(0, 0, 0, "", (stands_for, 0))])
    chain = load_chain(str(chain_file(tmp_path, "m1: {address: m1.test, links: [issuer]}")))
    placed = chain.model.hosts["m1"]
    if not reason:
        assert address_of(placed, chain) == stands_for
        return
    with pytest.raises(UserError) as caught:
        address_of(placed, chain)
    assert str(caught.value) == (
        "m1.test is 10.1.2.3, outside loopback and not allowed; "
        "allow it in shop.yaml: allow: [10.1.2.3]"
    )


def test_a_name_without_an_address_is_awaited_and_then_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    line = "m1: {address: no-such-host.invalid, links: [issuer], within: 1ms}"
    chain = load_chain(str(chain_file(tmp_path, line)))
    with pytest.raises(UserError, match=r"no address of no-such-host\.invalid is known"):
        Remote("m1", chain.model.hosts["m1"], chain, TOKEN).begin(1, 0, tmp_path / "spool")
