"""TLS near ends: trusted by their authority, honest about a hop that is down, and a proxy."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from paychain.environment.tls.authority import CERTIFICATE, Authority
from paychain.environment.tls.near_ends import TlsNearEnds
from paychain.environment.tls.plan import NearEnd
from paychain.environment.tls.refusals import HUNG_UP, NO_TLS, UNTRUSTED, Refusals, refused
from paychain.payments.web_hosts import of_host
from paychain.protocol.dialects.vendors import APIS

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1_000):
        writer.write(data.upper())
        await writer.drain()
    writer.close()


async def dies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1_000)
    writer.get_extra_info("socket").setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER of 0
    writer.transport.abort()


async def upstream(talk: Talk) -> tuple[asyncio.Server, str]:
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    return server, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def trusting(folder: Path, authority: Authority) -> ssl.SSLContext:
    authority.publish(folder)
    return ssl.create_default_context(cafile=str(folder / CERTIFICATE))


def test_a_near_end_passes_plaintext_both_ways_to_who_trusts_the_authority(tmp_path: Path) -> None:
    async def scenario() -> bytes:
        authority = Authority()
        server, near = await upstream(echo)
        near_ends = TlsNearEnds(authority)
        port = await near_ends.open(plain(near))
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=ssl.create_default_context())
        context = trusting(tmp_path, authority)
        reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
        writer.write(b"a" * 300_000)
        got = await reader.readexactly(300_000)
        writer.close()
        server.close()
        await near_ends.close()
        return got

    assert asyncio.run(scenario()) == b"A" * 300_000


def test_a_hop_that_is_down_breaks_the_connection_instead_of_greeting(tmp_path: Path) -> None:
    async def scenario() -> None:
        authority = Authority()
        server, near = await upstream(echo)
        server.close()
        await server.wait_closed()
        near_ends = TlsNearEnds(authority)
        port = await near_ends.open(plain(near))
        with pytest.raises((ConnectionResetError, ssl.SSLError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=trusting(tmp_path, authority))

    asyncio.run(scenario())


def test_a_reset_behind_the_near_end_is_a_reset_before_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        authority = Authority()
        _, near = await upstream(dies)
        port = await TlsNearEnds(authority).open(plain(near))
        context = trusting(tmp_path, authority)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await reader.read(10)

    asyncio.run(scenario())


@pytest.mark.parametrize("host", ["api.stripe.com", "checkout-test.adyen.com"])
def test_the_forward_proxy_stands_for_the_hosts_of_vendors(host: str, tmp_path: Path) -> None:
    async def scenario() -> bytes:
        authority = Authority()
        _, near = await upstream(echo)
        port = await TlsNearEnds(authority).open_proxy(
            {"api.stripe.com": plain(near), "*.adyen.com": plain(near)}
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"CONNECT {host}:443 HTTP/1.1\r\nhost: {host}:443\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await writer.start_tls(trusting(tmp_path, authority), server_hostname=host)
        writer.write(b"hello")
        got = await reader.read(10)
        writer.close()
        return got

    assert asyncio.run(scenario()) == b"HELLO"


@pytest.mark.parametrize(
    ("vendor", "host"),
    [
        ("adyen", "checkout-test.adyen.com"),
        ("adyen", "1797a841fbb37ca7-shop-checkout-live.adyenpayments.com"),
        ("braintree", "api.sandbox.braintreegateway.com"),
        ("checkout", "api.sandbox.checkout.com"),
        ("checkout", "shop.api.checkout.com"),
        ("paypal", "api-m.sandbox.paypal.com"),
        ("square", "connect.squareupsandbox.com"),
        ("stripe", "api.stripe.com"),
        ("", "paypal.com.example.org"),
        ("", "notpaypal.com"),
        ("", ""),
    ],
)
def test_each_host_of_a_vendor_leads_to_its_link_and_no_other(vendor: str, host: str) -> None:
    links = {pattern: name for name, api in APIS.items() for pattern in api.hosts}
    assert (of_host(host, links) or "") == vendor


def test_the_forward_proxy_refuses_a_host_that_no_link_stands_for(tmp_path: Path) -> None:
    async def scenario() -> bytes:
        port = await TlsNearEnds(Authority()).open_proxy({"api.stripe.com": plain("127.0.0.1:1")})
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"CONNECT example.org:443 HTTP/1.1\r\n\r\n")
        return await reader.read()

    answer = asyncio.run(scenario())
    assert answer.startswith(b"HTTP/1.1 502")
    assert b"no link of this chain represents example.org" in answer


def test_what_makes_runtimes_trust_the_authority_names_files_that_exist(tmp_path: Path) -> None:
    variables = Authority().publish(tmp_path)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
        assert "BEGIN CERTIFICATE" in Path(variables[name]).read_text("ascii")
    assert "PRIVATE KEY" not in Path(variables["SSL_CERT_FILE"]).read_text("ascii")
    store = variables["JAVA_TOOL_OPTIONS"].partition("trustStore=")[2].split()[0]
    assert Path(store).stat().st_size > 0


def plain(address: str) -> NearEnd:
    return NearEnd(name="shop -> psp", upstream=address)


def distrusting(context: ssl.SSLContext, port: int, host: str = "") -> None:
    """Connect as most clients do, which say why they refuse a certificate.

    `host`: for whom to ask a forward proxy that listens on the port.
    """
    with socket.create_connection(("127.0.0.1", port)) as near:
        if host:
            near.sendall(f"CONNECT {host}:443 HTTP/1.1\r\n\r\n".encode())
            assert near.recv(1000).startswith(b"HTTP/1.1 200")
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(near, server_hostname=host or "127.0.0.1")


def test_who_speaks_no_tls_or_does_not_trust_the_authority_is_counted(tmp_path: Path) -> None:
    async def scenario() -> None:
        authority, path = Authority(), tmp_path / "tls.refused"
        server, near = await upstream(echo)
        near_ends = TlsNearEnds(authority, Refusals(path))
        port = await near_ends.open(plain(near))
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /v1/payments HTTP/1.1\r\nhost: psp\r\n\r\n")
            await reader.read()
            writer.close()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            strict = ssl.create_default_context()
            strict.maximum_version = version
            await asyncio.to_thread(distrusting, strict, port)
        reader, writer = await asyncio.open_connection(
            "localhost", port, ssl=trusting(tmp_path, authority)
        )
        writer.write(b"a")
        assert await reader.read(1) == b"A"
        writer.close()
        for _ in range(100):
            if len(refused(path, 0)) == 4:
                break
            await asyncio.sleep(0.01)
        server.close()
        await near_ends.close()
        noted = [(event.kind, event.proxy, event.detail) for event in refused(path, 0)]
        assert sorted(noted) == sorted(
            [("unreadable", "shop -> psp", why) for why in (NO_TLS, NO_TLS, UNTRUSTED, UNTRUSTED)]
        )

    asyncio.run(scenario())


def test_each_refusal_is_one_more_line_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paychain.environment.tls.refusals.MAX_COUNTED", 3)
    path = tmp_path / "tls.refused"
    assert refused(path, 0) == []
    refusals = Refusals(path)
    refusals.count("shop -> psp", NO_TLS)
    first = path.stat()
    for why in (UNTRUSTED, HUNG_UP, HUNG_UP):
        refusals.count("shop -> psp", why)
    assert path.stat().st_ino == first.st_ino  # the same file, not another one in its place
    with path.open("ab") as file:
        file.write(b'["shop -> p')  # of a line that is still being written
    noted = [(event.proxy, event.detail) for event in refused(path, 7)]
    assert noted == [("shop -> psp", why) for why in (NO_TLS, UNTRUSTED, HUNG_UP)]


def test_who_does_not_trust_the_authority_behind_the_forward_proxy_is_counted_at_its_hop(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        path = tmp_path / "tls.refused"
        server, near = await upstream(echo)
        near_ends = TlsNearEnds(Authority(), Refusals(path))
        port = await near_ends.open_proxy({"api.stripe.com": plain(near)})
        strict = ssl.create_default_context()
        await asyncio.to_thread(distrusting, strict, port, "api.stripe.com")
        for _ in range(100):
            if refused(path, 0):
                break
            await asyncio.sleep(0.01)
        server.close()
        await near_ends.close()
        noted = [(event.proxy, event.detail) for event in refused(path, 0)]
        assert noted == [("shop -> psp", UNTRUSTED)]

    asyncio.run(scenario())


def test_who_hangs_up_in_the_handshake_is_counted_and_who_only_connects_is_not(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        path = tmp_path / "tls.refused"
        server, near = await upstream(echo)
        near_ends = TlsNearEnds(Authority(), Refusals(path))
        port = await near_ends.open(plain(near))
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()  # as a check that waits for the port
        # asyncio's own client, and so httpx's and aiohttp's, hangs up without a word.
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=ssl.create_default_context())
        for _ in range(100):
            if refused(path, 0):
                break
            await asyncio.sleep(0.01)
        server.close()
        await near_ends.close()
        noted = [(event.proxy, event.detail) for event in refused(path, 0)]
        assert noted == [("shop -> psp", HUNG_UP)]

    asyncio.run(scenario())


def test_who_stalls_in_the_handshake_has_not_hung_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that is frozen, or a busy machine, says nothing of whom it trusts."""
    monkeypatch.setattr("paychain.environment.tls.near_ends.HANDSHAKE_S", 0.2)

    async def scenario() -> None:
        path = tmp_path / "tls.refused"
        server, near = await upstream(echo)
        near_ends = TlsNearEnds(Authority(), Refusals(path))
        port = await near_ends.open(plain(near))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01")  # how a client's hello begins
        assert await asyncio.wait_for(reader.read(), 5.0) == b""  # the near end has given up
        writer.close()
        server.close()
        await near_ends.close()
        assert refused(path, 0) == []

    asyncio.run(scenario())
