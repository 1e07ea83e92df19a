"""Bodies are read as Go's encoding/json reads them, and refused in its words."""

# ruff: noqa: E501  (a case stands on one line with its text)

from __future__ import annotations

import json

import pytest

from tests.support.engine_subject import Subject, Upstream

CREATE = "Go value of type toxiproxy.Proxy"
POPULATED = 'struct { toxiproxy.Proxy; Enabled *bool "json:\\"enabled\\"" }'
CHANGE = (
    'struct { Attributes interface {} "json:\\"attributes\\""; '
    'Toxicity float32 "json:\\"toxicity\\"" }'
)
SYNTAX = [
    (b"", "EOF"),
    (b" \n\t\r ", "EOF"),
    (b"{", "unexpected EOF"),
    (b'{"name"', "unexpected EOF"),
    (b'{"name":', "unexpected EOF"),
    (b'{"name":"x",', "unexpected EOF"),
    (b"[", "unexpected EOF"),
    (b"tru", "unexpected EOF"),
    (b"-", "unexpected EOF"),
    (b"1.", "unexpected EOF"),
    (b"1e", "unexpected EOF"),
    (b'"abc', "unexpected EOF"),
    (b'"\\', "unexpected EOF"),
    (b'"\\u12', "unexpected EOF"),
    (b"x", "invalid character 'x' looking for beginning of value"),
    (b"}", "invalid character '}' looking for beginning of value"),
    (b"[}", "invalid character '}' looking for beginning of value"),
    (b'{"a":[1,]}', "invalid character ']' looking for beginning of value"),
    (b'{"a":NaN}', "invalid character 'N' looking for beginning of value"),
    (b"+1", "invalid character '+' looking for beginning of value"),
    (b".5", "invalid character '.' looking for beginning of value"),
    (b"\x00", r"invalid character '\x00' looking for beginning of value"),
    (b"\x07", r"invalid character '\a' looking for beginning of value"),
    (b"\x7f", r"invalid character '\x7f' looking for beginning of value"),
    (b"\x80", "invalid character '\\u0080' looking for beginning of value"),
    (b"\xa0", "invalid character '\\u00a0' looking for beginning of value"),
    (b"\xad", "invalid character '\\u00ad' looking for beginning of value"),
    (b"\xef\xbb\xbf{}", "invalid character 'ï' looking for beginning of value"),
    ("é".encode(), "invalid character 'Ã' looking for beginning of value"),
    (b"\\", "invalid character '\\\\' looking for beginning of value"),
    (b"{'a':1}", "invalid character '\\'' looking for beginning of object key string"),
    (b"{a:1}", "invalid character 'a' looking for beginning of object key string"),
    (b"{]", "invalid character ']' looking for beginning of object key string"),
    (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
    (b"{1:2}", "invalid character '1' looking for beginning of object key string"),
    (b'{"a" 1}', "invalid character '1' after object key"),
    (b'{"a"}', "invalid character '}' after object key"),
    (b'{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
    (b'{"a":01}', "invalid character '1' after object key:value pair"),
    (b'{"a":1]', "invalid character ']' after object key:value pair"),
    (b"[1 2]", "invalid character '2' after array element"),
    (b"[1}", "invalid character '}' after array element"),
    (b'{"a":tru}', "invalid character '}' in literal true (expecting 'e')"),
    (b"falsy", "invalid character 'y' in literal false (expecting 'e')"),
    (b"nulx", "invalid character 'x' in literal null (expecting 'l')"),
    (b"[-]", "invalid character ']' in numeric literal"),
    (b"[-a]", "invalid character 'a' in numeric literal"),
    (b"[1.]", "invalid character ']' after decimal point in numeric literal"),
    (b"[1e]", "invalid character ']' in exponent of numeric literal"),
    (b"[1e+]", "invalid character ']' in exponent of numeric literal"),
    (b'"\n"', r"invalid character '\n' in string literal"),
    (b'"\x01"', r"invalid character '\x01' in string literal"),
    (b'"\\x"', "invalid character 'x' in string escape code"),
    (b'"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
    (b"[" * 10_001, "invalid character '[' exceeded max depth"),
]


@pytest.mark.parametrize(("body", "message"), SYNTAX, ids=lambda value: repr(value)[:30])
def test_what_is_not_json_is_refused(engine: Subject, body: bytes, message: str) -> None:
    answer = engine.ask("POST", "/proxies", body)
    assert (answer.status, answer.json["error"]) == (400, f"bad request body: {message}")
    answer = engine.ask("POST", "/populate", body)  # errors of /populate have another form
    assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
    shown = json.dumps(f"bad request body: {message}", ensure_ascii=False).encode()
    assert answer.body == b'{"error":' + shown + b',"status":400,"proxies":null}'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", f"array into {CREATE}"),
        (b"5", f"number into {CREATE}"),
        (b"12abc", f"number into {CREATE}"),
        (b'"x"', f"string into {CREATE}"),
        (b"true", f"bool into {CREATE}"),
        (b'{"name":1}', "number into Go struct field Proxy.name of type string"),
        (b'{"NAME":true}', "bool into Go struct field Proxy.name of type string"),
        (
            b'{"name":"a","upstream":{}}',
            "object into Go struct field Proxy.upstream of type string",
        ),
        (b'{"listen":[]}', "array into Go struct field Proxy.listen of type string"),
        (b'{"enabled":"yes"}', "string into Go struct field Proxy.enabled of type bool"),
        (b'{"enabled":1}', "number into Go struct field Proxy.enabled of type bool"),
        (b'{"Logger":5}', "number into Go struct field Proxy.Logger of type zerolog.Logger"),
        (b'{"name":1,"upstream":2}', "number into Go struct field Proxy.name of type string"),
    ],
)
def test_a_proxy_of_another_shape_is_refused(engine: Subject, body: bytes, message: str) -> None:
    answer = engine.ask("POST", "/proxies", body)
    error = f"bad request body: json: cannot unmarshal {message}"
    assert (answer.status, answer.json) == (400, {"error": error, "status": 400})
    assert engine.ask("GET", "/proxies").json == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "missing required field: name"),
        (b"null", "missing required field: name"),
        (b'{"name":null,"upstream":"u"}', "missing required field: name"),
        (b'{"name":"","upstream":"u"}', "missing required field: name"),
        (b'{"a":1}x', "missing required field: name"),
        (b'{"name":"a"}', "missing required field: upstream"),
        (b'{"name":"a","upstream":""}', "missing required field: upstream"),
    ],
)
def test_a_proxy_needs_a_name_and_an_upstream(engine: Subject, body: bytes, message: str) -> None:
    answer = engine.ask("POST", "/proxies", body)
    assert (answer.status, answer.json["error"]) == (400, message)


@pytest.mark.parametrize(
    ("body", "name", "upstream"),
    [
        (b'{"NAME":"a","UpStream":"u","eNabled":false}', "a", "u"),
        (b'{"name":"a","upstream":"u","enabled":false} and more', "a", "u"),
        (b'{"name":"a","name":"b","upstream":"u","enabled":false}', "b", "u"),
        (b'{"name":"a","NAME":"b","upstream":"u","enabled":false}', "b", "u"),
        (b'{"name":"a","upstream":"u","enabled":false,"toxics":[1],"x":{"y":null}}', "a", "u"),
        (b'{"name":"a","upstream":"u","enabled":false,"logger":{"x":1}}', "a", "u"),
        (b'{"name":"a","listen":null,"upstream":"u","enabled":false}', "a", "u"),
        (b'{"name":"a\\ud800","upstream":"\\ud83d\\ude00","enabled":false}', "a\ufffd", "😀"),
        (b'{"name":"a\xff","upstream":"u","enabled":false}', "a\ufffd", "u"),
        (b'{"name":"a","up\\u017ftream":"u","enabled":false}', "a", "u"),  # ſ folds to s
        (
            b'{"name":"a","upstream":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041","enabled":false}',
            "a",
            '"\\/\b\f\n\r\tA',
        ),
    ],
)
def test_a_body_is_taken_with_go_s_tolerance(
    engine: Subject, body: bytes, name: str, upstream: str
) -> None:
    made = engine.must(201, "POST", "/proxies", body)
    assert (made["name"], made["upstream"], made["enabled"]) == (name, upstream, False)


def test_answers_escape_what_html_could_take_for_its_own(engine: Subject) -> None:
    given = {"name": "a", "upstream": "<&>\u2028\u2029é\x7f\x01\b", "enabled": False}
    answer = engine.ask("POST", "/proxies", given)
    shown = '"upstream":"\\u003c\\u0026\\u003e\\u2028\\u2029é\x7f\\u0001\\b"'
    assert shown.encode() in answer.body


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", "array into Go value of type toxics.ToxicWrapper"),
        (b"5", "number into Go value of type toxics.ToxicWrapper"),
        (b'{"type":5}', "number into Go struct field ToxicWrapper.type of type string"),
        (
            b'{"type":"noop","name":[]}',
            "array into Go struct field ToxicWrapper.name of type string",
        ),
        (
            b'{"type":"noop","stream":1}',
            "number into Go struct field ToxicWrapper.stream of type string",
        ),
        (
            b'{"type":"noop","toxicity":"a"}',
            "string into Go struct field ToxicWrapper.toxicity of type float32",
        ),
        (
            b'{"type":"noop","toxicity":1e400}',
            "number 1e400 into Go struct field ToxicWrapper.toxicity of type float32",
        ),
        (
            b'{"type":"latency","attributes":5}',
            "number into Go struct field ToxicWrapper.attributes of type toxics.NoopToxic",
        ),
        (
            b'{"type":"latency","attributes":[1]}',
            "array into Go struct field ToxicWrapper.attributes of type toxics.NoopToxic",
        ),
        (
            b'{"type":"latency","attributes":{"latency":1.5}}',
            "number 1.5 into Go struct field LatencyToxic.attributes.latency of type int64",
        ),
        (
            b'{"type":"latency","attributes":{"latency":1e3}}',
            "number 1e3 into Go struct field LatencyToxic.attributes.latency of type int64",
        ),
        (
            b'{"type":"latency","attributes":{"latency":"5"}}',
            "string into Go struct field LatencyToxic.attributes.latency of type int64",
        ),
        (
            b'{"type":"latency","attributes":{"latency":true}}',
            "bool into Go struct field LatencyToxic.attributes.latency of type int64",
        ),
        (
            b'{"type":"latency","attributes":{"jitter":[1]}}',
            "array into Go struct field LatencyToxic.attributes.jitter of type int64",
        ),
        (
            b'{"type":"latency","attributes":{"jitter":{}}}',
            "object into Go struct field LatencyToxic.attributes.jitter of type int64",
        ),
        (
            b'{"type":"latency","attributes":{"latency":9223372036854775808}}',
            "number 9223372036854775808 into Go struct field LatencyToxic.attributes.latency of type int64",
        ),
        (
            b'{"type":"latency","attributes":{"latency":1,"latency":"x"}}',
            "string into Go struct field LatencyToxic.attributes.latency of type int64",
        ),
        (
            b'{"type":"bandwidth","attributes":{"rate":0.5}}',
            "number 0.5 into Go struct field BandwidthToxic.attributes.rate of type int64",
        ),
        (
            b'{"type":"slow_close","attributes":{"delay":"x"}}',
            "string into Go struct field SlowCloseToxic.attributes.delay of type int64",
        ),
        (
            b'{"type":"timeout","attributes":{"timeout":"x"}}',
            "string into Go struct field TimeoutToxic.attributes.timeout of type int64",
        ),
        (
            b'{"type":"reset_peer","attributes":{"timeout":"x"}}',
            "string into Go struct field ResetToxic.attributes.timeout of type int64",
        ),
        (
            b'{"type":"slicer","attributes":{"average_size":1.5}}',
            "number 1.5 into Go struct field SlicerToxic.attributes.average_size of type int",
        ),
        (
            b'{"type":"limit_data","attributes":{"bytes":"x"}}',
            "string into Go struct field LimitDataToxic.attributes.bytes of type int64",
        ),
    ],
)
def test_a_toxic_of_another_shape_is_refused(
    engine: Subject, upstream: Upstream, body: bytes, message: str
) -> None:
    proxy = engine.proxy(upstream.address)
    answer = engine.ask("POST", f"/proxies/{proxy.name}/toxics", body)
    error = f"bad request body: json: cannot unmarshal {message}"
    assert (answer.status, answer.json) == (400, {"error": error, "status": 400})
    assert engine.ask("GET", f"/proxies/{proxy.name}/toxics").json == []


@pytest.mark.parametrize(
    ("body", "attributes"),
    [
        (b'{"type":"latency","attributes":null}', {"latency": 0, "jitter": 0}),
        (b'{"type":"latency","attributes":{"latency":null}}', {"latency": 0, "jitter": 0}),
        (b'{"type":"latency","latency":500}', {"latency": 0, "jitter": 0}),
        (b'{"type":"latency","attributes":{"LATENCY":7,"x":[1]}}', {"latency": 7, "jitter": 0}),
        (
            b'{"type":"latency","attributes":{"latency":1},"Attributes":{"jitter":2}}',
            {"latency": 1, "jitter": 2},
        ),
        (
            b'{"type":"latency","stream":null,"name":null,"attributes":{"latency":-0}} x',
            {"latency": 0, "jitter": 0},
        ),
    ],
)
def test_attributes_are_taken_with_go_s_tolerance(
    engine: Subject, upstream: Upstream, body: bytes, attributes: dict[str, int]
) -> None:
    proxy = engine.proxy(upstream.address)
    made = engine.must(200, "POST", f"/proxies/{proxy.name}/toxics", body)
    assert (made["name"], made["attributes"]) == ("latency_downstream", attributes)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "EOF"),
        (b"5", f"json: cannot unmarshal number into Go value of type {CHANGE}"),
        (
            b'{"attributes":5}',
            "json: cannot unmarshal number into Go struct field .attributes of type toxics.LatencyToxic",
        ),
        (
            b'{"attributes":[1]}',
            "json: cannot unmarshal array into Go struct field .attributes of type toxics.LatencyToxic",
        ),
        (
            b'{"toxicity":"x"}',
            "json: cannot unmarshal string into Go struct field .toxicity of type float32",
        ),
        (
            b'{"attributes":{"jitter":"x"}}',
            "json: cannot unmarshal string into Go struct field LatencyToxic.attributes.jitter of type int64",
        ),
    ],
)
def test_a_change_of_another_shape_is_refused(
    engine: Subject, upstream: Upstream, body: bytes, message: str
) -> None:
    proxy = engine.proxy(upstream.address)
    answer = engine.ask("PATCH", engine.toxic(proxy, "latency", latency=5), body)
    assert (answer.status, answer.json["error"]) == (400, f"bad request body: {message}")


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"null",
        b'{"attributes":null}',
        b'{"toxicity":null}',
        b'{"name":5,"type":[]}',
        b'{"attributes":{}} trailing',
    ],
)
def test_a_change_of_nothing_changes_nothing(
    engine: Subject, upstream: Upstream, body: bytes
) -> None:
    proxy = engine.proxy(upstream.address)
    path = engine.toxic(proxy, "latency", toxicity=0.5, latency=5)
    before = engine.ask("GET", path).body
    answer = engine.ask("PATCH", path, body)
    assert (answer.status, answer.body) == (200, before)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", f"json: cannot unmarshal object into Go value of type []{POPULATED}"),
        (b"5", f"json: cannot unmarshal number into Go value of type []{POPULATED}"),
        (b"[5]", f"json: cannot unmarshal number into Go value of type {POPULATED}"),
        (b"[[1]]", f"json: cannot unmarshal array into Go value of type {POPULATED}"),
        (
            b'[{"name":5}]',
            "json: cannot unmarshal number into Go struct field .Proxy.name of type string",
        ),
        (
            b'[{"name":"a","enabled":"x"}]',
            "json: cannot unmarshal string into Go struct field .enabled of type bool",
        ),
        (
            b'[{"name":"a","Logger":3}]',
            "json: cannot unmarshal number into Go struct field .Proxy.Logger of type zerolog.Logger",
        ),
        (
            b'[{"name":"a","upstream":"u","listen":"127.0.0.1:0"},5]',
            f"json: cannot unmarshal number into Go value of type {POPULATED}",
        ),
    ],
)
def test_a_population_of_another_shape_is_refused(
    engine: Subject, body: bytes, message: str
) -> None:
    answer = engine.ask("POST", "/populate", body)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
    assert answer.json == {"error": f"bad request body: {message}", "status": 400, "proxies": None}
    assert engine.ask("GET", "/proxies").json == {}
