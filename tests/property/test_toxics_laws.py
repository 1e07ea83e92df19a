"""Laws of stages, of Go's JSON, and of the API under requests that nobody would send."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from paychain.toxics.address import BadAddress, split
from paychain.toxics.api_requests import ApiError, new_proxies_in, new_toxic_in, proxy_in
from paychain.toxics.buffered import ON_TIME_S
from paychain.toxics.gojson import GoNumber, MalformedJson, Members, encode, parse
from paychain.toxics.toxic import Toxic
from tests.support.toxic_stages import Sink, feed, stage_of

chunks = st.lists(st.binary(min_size=1, max_size=5_000), min_size=1, max_size=8)
gaps = st.lists(st.floats(0, 0.5), min_size=8, max_size=8)


def played(sink: Sink, stage: Any, data: list[bytes], pauses: list[float]) -> bytes:
    """Feed chunks with pauses between, then the end; what came out, as one."""
    for chunk, pause in zip(data, pauses, strict=False):
        feed(sink, stage, chunk)
        sink.loop.run(pause)
    stage.end()
    sink.loop.run(1_000)
    assert sink.out[-1][1] == "end"
    return b"".join(what for _, what in sink.out if isinstance(what, bytes))


@given(chunks, gaps, st.integers(0, 500), st.integers(0, 800), st.integers(0, 2**32))
def test_latency_keeps_every_byte_in_order_and_within_its_bounds(
    data: list[bytes], pauses: list[float], latency: int, jitter: int, seed: int
) -> None:
    sink = Sink()
    stage = stage_of(sink, "latency", seed, latency=latency, jitter=jitter)
    assert played(sink, stage, data, pauses) == b"".join(data)
    read_at = 0.0
    for (at, _), pause in zip(sink.out[:-1], pauses, strict=False):
        late = at - read_at
        assert late >= max(0, latency - jitter) / 1000 - ON_TIME_S - 1e-5
        read_at += pause
    times = [at for at, _ in sink.out]
    assert times == sorted(times)
    assert times[-1] <= sum(pauses[: len(data)]) + (latency + jitter) / 1000 + 1e-5


@given(chunks, gaps, st.integers(1, 1_000))
def test_bandwidth_is_never_exceeded_and_wastes_nothing(
    data: list[bytes], pauses: list[float], rate: int
) -> None:
    sink = Sink()
    assert played(sink, stage_of(sink, "bandwidth", rate=rate), data, pauses) == b"".join(data)
    begun, sent = 0.0, 0
    fed = list(zip(data, pauses, strict=False))
    # Byte n may go when n bytes' worth of time has passed since the stage last had nothing.
    free_at = 0.0
    at = 0.0
    wanted = []
    for chunk, pause in fed:
        free_at = max(free_at, at) + len(chunk) / (rate * 1000)
        wanted.append(free_at)
        at += pause
    ends = []
    for when, what in sink.out[:-1]:
        sent += len(what)
        ends.append((sent, when))
    total = 0
    for chunk, due in zip(data, wanted, strict=True):
        total += len(chunk)
        when = next(when for size, when in ends if size >= total)
        assert due - ON_TIME_S - 1e-5 <= when <= max(due, begun) + 1e-5


@given(
    st.binary(min_size=1, max_size=40_000),
    st.integers(1, 2_000),
    st.data(),
    st.integers(0, 2**32),
)
def test_slices_are_the_chunk_and_none_is_larger_than_average_and_variation(
    data: bytes, average: int, choice: st.DataObject, seed: int
) -> None:
    average = max(average, len(data) // 500)  # not so many slices that the test crawls
    variation = choice.draw(st.integers(0, average - 1))
    sink = Sink()
    stage = stage_of(sink, "slicer", seed, average_size=average, size_variation=variation)
    assert played(sink, stage, [data], [0.0]) == data
    assert all(1 <= len(what) <= average + variation for _, what in sink.out[:-1])


@given(chunks, st.integers(-10, 30_000))
def test_limit_data_passes_no_more_than_its_bytes(data: list[bytes], limit: int) -> None:
    sink = Sink()
    stage = stage_of(sink, "limit_data", bytes=limit)
    whole = b"".join(data)
    for chunk in data:
        feed(sink, stage, chunk)
        if sink.out and sink.out[-1][1] == "close: limit_data":
            break
    passed = b"".join(what for _, what in sink.out if isinstance(what, bytes))
    assert passed == whole[: max(0, limit)]
    assert (sink.out[-1][1] == "close: limit_data") == (len(whole) >= limit)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
    max_leaves=20,
)


def plain(value: Any) -> Any:
    """A parsed value as Python's json would have it."""
    match value:
        case Members():
            return {key: plain(each) for key, each in value}
        case list():
            return [plain(each) for each in value]
        case GoNumber():
            return json.loads(value.text)
        case _:
            return value


@given(json_values, st.booleans(), st.sampled_from([None, 1]))
def test_what_python_writes_is_read_the_same(
    value: Any, ensure_ascii: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)
    assert plain(parse(text.encode() + b" trailing")) == json.loads(text)


@given(json_values)
def test_what_is_written_is_read_by_anybody(value: Any) -> None:
    assert json.loads(encode(value)) == value


@given(st.binary(max_size=60) | st.text('{}[]":,truefalsn0123456789.eE+-\\ u', max_size=40))
def test_no_body_is_read_otherwise_than_by_python_or_breaks(given: bytes | str) -> None:
    body = given if isinstance(given, bytes) else given.encode()
    try:
        value = parse(body)
    except MalformedJson as error:
        assert str(error)
    else:
        text = body.decode("utf-8", "replace")
        assert plain(value) == json.JSONDecoder().raw_decode(text.lstrip(" \t\r\n"))[0]


@given(st.binary(max_size=80) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_body_makes_more_of_a_request_than_an_error(body: bytes) -> None:
    toxic = Toxic(
        name="t",
        type="latency",
        stream="downstream",
        toxicity=1.0,
        attributes={"latency": 1, "jitter": 0},
    )
    for read in (proxy_in, new_proxies_in, lambda each: new_toxic_in(each, [toxic.name])):
        try:
            read(body)
        except ApiError as error:
            assert error.status == 400


@given(st.text(max_size=30) | st.text("[]:%.0123456789abc", max_size=20))
def test_no_address_breaks(address: str) -> None:
    try:
        _, port = split(address)
    except BadAddress as error:
        assert str(error)
    else:
        assert 0 <= port < 65_536
