"""Every endpoint of the API: status, headers and body, the same from both engines."""

from __future__ import annotations

import re

import pytest

from tests.support.engine_subject import Subject, Upstream

PLAIN = "text/plain; charset=utf-8"
JSON = "application/json"
BROWSER = {"User-Agent": "Mozilla/5.0"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/nothing"),
        ("GET", "/proxies/"),
        ("POST", "/reset/"),
        ("GET", "/proxies/a/b"),
        ("GET", "/proxies/a%2Fb"),
        ("GET", "/proxies/a/toxics/"),
        ("GET", "/proxies/a/toxics/b/c"),
    ],
)
def test_an_unknown_path_is_not_found(engine: Subject, method: str, path: str) -> None:
    for headers in ({}, BROWSER):  # browsers are turned away from known paths only
        answer = engine.ask(method, path, headers=headers)
        assert (answer.status, answer.body) == (404, b"404 page not found\n")
        assert answer.headers["content-type"] == PLAIN
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "x-toxiproxy-request-id" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("HEAD", "/version"),
        ("POST", "/version"),
        ("PUT", "/proxies"),
        ("DELETE", "/proxies"),
        ("OPTIONS", "/proxies"),
        ("PUT", "/proxies/a"),
        ("HEAD", "/proxies/a"),
        ("DELETE", "/proxies/a/toxics"),
        ("PUT", "/proxies/a/toxics/b"),
        ("GET", "/reset"),
        ("GET", "/populate"),
    ],
)
def test_another_method_is_not_allowed(engine: Subject, method: str, path: str) -> None:
    for headers in ({}, BROWSER):
        answer = engine.ask(method, path, headers=headers)
        assert (answer.status, answer.body) == (405, b"")
        assert "content-type" not in answer.headers
        assert "x-toxiproxy-request-id" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "there"),
    [
        ("GET", "//proxies", "/proxies"),
        ("POST", "//reset", "/reset"),
        ("GET", "/proxies/../version", "/version"),
        ("GET", "/./proxies?x=1", "/proxies?x=1"),
        ("GET", "/proxies//a", "/proxies/a"),
    ],
)
def test_an_unclean_path_is_redirected(engine: Subject, method: str, path: str, there: str) -> None:
    answer = engine.ask(method, path)
    assert (answer.status, answer.headers["location"], answer.body) == (301, there, b"")


@pytest.mark.parametrize("path", ["/proxies", "/version", "/proxies/none"])
def test_a_browser_is_turned_away(engine: Subject, path: str) -> None:
    answer = engine.ask("GET", path, headers=BROWSER)
    assert (answer.status, answer.body) == (403, b"User agent not allowed\n")
    assert answer.headers["content-type"] == PLAIN
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-toxiproxy-request-id"]


@pytest.mark.parametrize("agent", ["mozilla/5.0", "curl/8 Mozilla/5.0", "Mozilla", ""])
def test_what_does_not_begin_as_a_browser_is_served(engine: Subject, agent: str) -> None:
    assert engine.ask("GET", "/proxies", headers={"User-Agent": agent}).status == 200


def test_the_version_is_json_with_a_content_type_of_its_own(engine: Subject) -> None:
    answer = engine.ask("GET", "/version")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json;charset=utf-8"
    assert re.fullmatch(rb'\{"version": "[^"]+"(, "engine": "paychain")?\}\n', answer.body)


def test_every_answer_of_a_known_path_has_a_request_id_of_its_own(engine: Subject) -> None:
    ids = {
        engine.ask(method, path).headers["x-toxiproxy-request-id"]
        for method, path in [
            ("GET", "/version"),
            ("GET", "/proxies"),
            ("GET", "/proxies/none"),
            ("POST", "/reset"),
            ("POST", "/populate"),
            ("DELETE", "/proxies/none"),
        ]
    }
    assert len(ids) == 6


def test_no_proxies_are_an_empty_object(engine: Subject) -> None:
    answer = engine.ask("GET", "/proxies?x=1")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, JSON, b"{}")


def test_a_proxy_is_created_shown_listed_and_deleted(engine: Subject, upstream: Upstream) -> None:
    given = {"name": "one", "upstream": upstream.address, "listen": "127.0.0.1:0"}
    created = engine.ask("POST", "/proxies", given)
    port = created.json["listen"].removeprefix("127.0.0.1:")
    shown = (
        f'{{"name":"one","listen":"127.0.0.1:{port}","upstream":"{upstream.address}",'
        '"enabled":true,"Logger":{},"toxics":[]}'
    ).encode()
    assert (created.status, created.headers["content-type"]) == (201, JSON)
    assert created.body == shown
    answer = engine.ask("GET", "/proxies/one")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, JSON, shown)
    assert engine.ask("GET", "/proxies").body == b'{"one":' + shown + b"}"
    answer = engine.ask("DELETE", "/proxies/one")
    assert (answer.status, answer.body) == (204, b"")
    assert "content-type" not in answer.headers
    assert "content-length" not in answer.headers
    assert engine.ask("GET", "/proxies").body == b"{}"


def test_proxies_are_listed_by_name(engine: Subject, upstream: Upstream) -> None:
    for name in ("b", "a", "é", "B"):
        engine.must(201, "POST", "/proxies", {"name": name, "upstream": "u:1", "enabled": False})
    assert list(engine.ask("GET", "/proxies").json) == ["B", "a", "b", "é"]
    for name in ("a", "b", "B", "%C3%A9"):
        engine.must(204, "DELETE", f"/proxies/{name}")


def test_the_proxy_to_create_may_be_disabled_and_keeps_its_words(engine: Subject) -> None:
    given = {"name": "off", "upstream": "anything", "listen": "localhost:0", "enabled": False}
    shown = engine.must(201, "POST", "/proxies", given)
    assert shown["enabled"] is False
    assert shown["listen"] == "localhost:0"  # resolved when it starts, not before
    assert engine.must(200, "PATCH", "/proxies/off", {"enabled": True})["listen"].startswith(
        "127.0.0.1:"
    )


def test_a_name_is_found_as_it_was_quoted(engine: Subject) -> None:
    engine.must(201, "POST", "/proxies", {"name": "a b&", "upstream": "u:1", "enabled": False})
    assert engine.ask("GET", "/proxies/a%20b%26").body.startswith(b'{"name":"a b\\u0026",')
    engine.must(204, "DELETE", "/proxies/a%20b%26")


def test_a_name_is_taken_once(engine: Subject) -> None:
    given = {"name": "one", "upstream": "u:1", "enabled": False}
    engine.must(201, "POST", "/proxies", given)
    answer = engine.ask("POST", "/proxies", given | {"listen": "not an address"})
    assert (answer.status, answer.headers["content-type"]) == (409, PLAIN)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.body == b'{"error":"proxy already exists","status":409}\n'


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("GET", "/proxies/none", None, "proxy not found"),
        ("PATCH", "/proxies/none", b"not json", "proxy not found"),
        ("POST", "/proxies/none", b"{}", "proxy not found"),
        ("DELETE", "/proxies/none", None, "proxy not found"),
        ("GET", "/proxies/none/toxics", None, "proxy not found"),
        ("POST", "/proxies/none/toxics", b"not json", "proxy not found"),
        ("GET", "/proxies/none/toxics/t", None, "proxy not found"),
        ("GET", "/proxies/one/toxics/none", None, "toxic not found"),
        ("PATCH", "/proxies/one/toxics/none", b"not json", "toxic not found"),
        ("POST", "/proxies/one/toxics/none", b"{}", "toxic not found"),
        ("DELETE", "/proxies/one/toxics/none", None, "toxic not found"),
    ],
)
def test_what_is_not_there_is_reported_before_the_body_is_read(
    engine: Subject, method: str, path: str, body: bytes | None, message: str
) -> None:
    engine.must(201, "POST", "/proxies", {"name": "one", "upstream": "u:1", "enabled": False})
    answer = engine.ask(method, path, body)
    assert (answer.status, answer.headers["content-type"]) == (404, PLAIN)
    assert answer.body == f'{{"error":"{message}","status":404}}\n'.encode()


@pytest.mark.parametrize(
    ("listen", "message"),
    [
        ("x", "listen tcp: address x: missing port in address"),
        ("[::1]", "listen tcp: address [::1]: missing port in address"),
        ("[::1]x", "listen tcp: address [::1]x: missing port in address"),
        ("[::1", "listen tcp: address [::1: missing ']' in address"),
        ("1:2:3", "listen tcp: address 1:2:3: too many colons in address"),
        ("]:1", "listen tcp: address ]:1: unexpected ']' in address"),
        ("a[b]:1", "listen tcp: address a[b]:1: unexpected '[' in address"),
        ("127.0.0.1:65536", "listen tcp: address 65536: invalid port"),
        ("127.0.0.1:-1", "listen tcp: address -1: invalid port"),
        ("127.0.0.1:abc", "listen tcp: lookup tcp/abc: unknown port"),
        ("8.8.8.8:80", "listen tcp 8.8.8.8:80: bind: cannot assign requested address"),
    ],
)
def test_an_address_that_cannot_be_had_is_a_server_error(
    engine: Subject, listen: str, message: str
) -> None:
    answer = engine.ask("POST", "/proxies", {"name": "e", "upstream": "u:1", "listen": listen})
    assert (answer.status, answer.headers["content-type"]) == (500, PLAIN)
    assert answer.json == {"error": message, "status": 500}
    assert engine.ask("GET", "/proxies").json == {}


def test_a_port_is_taken_once_and_freed_by_deletion(engine: Subject, upstream: Upstream) -> None:
    first = engine.proxy(upstream.address)
    given = {"name": "two", "upstream": upstream.address, "listen": f"localhost:{first.port}"}
    answer = engine.ask("POST", "/proxies", given)
    message = f"listen tcp 127.0.0.1:{first.port}: bind: address already in use"
    assert (answer.status, answer.json["error"]) == (500, message)
    engine.must(204, "DELETE", f"/proxies/{first.name}")
    engine.must(201, "POST", "/proxies", given)


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("noop", "{}"),
        ("latency", '{"latency":0,"jitter":0}'),
        ("bandwidth", '{"rate":0}'),
        ("slow_close", '{"delay":0}'),
        ("timeout", '{"timeout":0}'),
        ("reset_peer", '{"timeout":0}'),
        ("limit_data", '{"bytes":0}'),
    ],
)
def test_a_toxic_has_defaults_and_an_order_of_keys(
    engine: Subject, upstream: Upstream, kind: str, attributes: str
) -> None:
    proxy = engine.proxy(upstream.address)
    answer = engine.ask("POST", f"/proxies/{proxy.name}/toxics", {"type": kind})
    shown = (
        f'{{"attributes":{attributes},"name":"{kind}_downstream","type":"{kind}",'
        '"stream":"downstream","toxicity":1}'
    ).encode()
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, JSON, shown)
    path = f"/proxies/{proxy.name}/toxics"
    assert engine.ask("GET", path).body == b"[" + shown + b"]"
    assert engine.ask("GET", f"{path}/{kind}_downstream").body == shown
    assert engine.ask("GET", f"/proxies/{proxy.name}").body.endswith(b'"toxics":[' + shown + b"]}")
    answer = engine.ask("DELETE", f"{path}/{kind}_downstream")
    assert (answer.status, answer.body) == (204, b"")
    assert engine.ask("GET", path).body == b"[]"


def test_upstream_toxics_are_listed_first_each_in_the_order_of_their_adding(
    engine: Subject, upstream: Upstream
) -> None:
    proxy = engine.proxy(upstream.address)
    for name, stream in [
        ("a", "downstream"),
        ("b", "upstream"),
        ("c", "downstream"),
        ("d", "UPSTREAM"),
    ]:
        engine.toxic(proxy, "noop", stream, name=name)
    listed = engine.ask("GET", f"/proxies/{proxy.name}/toxics").json
    assert [(toxic["name"], toxic["stream"]) for toxic in listed] == [
        ("b", "upstream"),
        ("d", "UPSTREAM"),
        ("a", "downstream"),
        ("c", "downstream"),
    ]


def test_a_toxic_name_is_taken_once_for_both_directions(
    engine: Subject, upstream: Upstream
) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "noop", "upstream", name="t")
    answer = engine.ask("POST", f"/proxies/{proxy.name}/toxics", {"name": "t", "type": "latency"})
    assert (answer.status, answer.headers["content-type"]) == (409, PLAIN)
    assert answer.body == b'{"error":"toxic already exists","status":409}\n'


def test_the_default_name_has_the_stream_as_it_was_written(
    engine: Subject, upstream: Upstream
) -> None:
    proxy = engine.proxy(upstream.address)
    path = f"/proxies/{proxy.name}/toxics"
    given = {"type": "noop", "stream": "UpStream", "name": ""}
    assert engine.must(200, "POST", path, given)["name"] == "noop_UpStream"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "invalid toxic type"),
        ({"type": "Latency"}, "invalid toxic type"),
        ({"type": "magic", "name": "t"}, "invalid toxic type"),
        (
            {"type": "magic", "stream": "sideways"},
            "stream was invalid, can be either upstream or downstream",
        ),
        (
            {"type": "noop", "stream": ""},
            "stream was invalid, can be either upstream or downstream",
        ),
    ],
)
def test_a_wrong_toxic_is_refused_in_this_order(
    engine: Subject, upstream: Upstream, body: dict[str, str], message: str
) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "noop", name="t")
    answer = engine.ask("POST", f"/proxies/{proxy.name}/toxics", body)
    assert (answer.status, answer.json) == (400, {"error": message, "status": 400})


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_a_toxic_is_updated_in_its_attributes_and_toxicity_only(
    engine: Subject, upstream: Upstream, method: str
) -> None:
    proxy = engine.proxy(upstream.address)
    path = engine.toxic(proxy, "latency", "upstream", latency=10, jitter=3)
    given = {
        "name": "x",
        "type": "noop",
        "stream": "downstream",
        "toxicity": 0.25,
        "attributes": {"latency": 20},
    }
    answer = engine.ask(method, path, given)
    assert answer.body == (
        b'{"attributes":{"latency":20,"jitter":3},"name":"toxic","type":"latency",'
        b'"stream":"upstream","toxicity":0.25}'
    )
    assert engine.ask("GET", path).body == answer.body


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("0.2", "0.2"),
        ("0.123456789", "0.12345679"),
        ("1", "1"),
        ("1.0", "1"),
        ("0", "0"),
        ("1e-7", "1e-7"),
        ("0.00002", "0.00002"),
        ("1e-50", "0"),
        ("null", "1"),
    ],
)
def test_toxicity_is_shown_as_the_shortest_float32(
    engine: Subject, upstream: Upstream, given: str, shown: str
) -> None:
    proxy = engine.proxy(upstream.address)
    body = f'{{"type":"noop","toxicity":{given}}}'.encode()
    answer = engine.ask("POST", f"/proxies/{proxy.name}/toxics", body)
    assert answer.body.endswith(f'"toxicity":{shown}}}'.encode())


def test_negative_latency_and_jitter_are_taken(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    path = engine.toxic(proxy, "latency", latency=-5, jitter=-7)
    assert engine.ask("GET", path).json["attributes"] == {"latency": -5, "jitter": -7}
