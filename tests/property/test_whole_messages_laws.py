"""What is read without a parser is what the parser reads."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from paychain.wire.answer import AnswerReader
from paychain.wire.http import ConnectionBroken, HttpRequest, MalformedHttp, ServerLimits
from paychain.wire.requests import Rejected, RequestReader
from paychain.wire.whole import whole_request
from tests.support.laws import examples

LIMITS = ServerLimits(header_bytes=400, body_bytes=40)
LINES = (
    b"host: a",
    b"Host: b:80",
    b"content-type: application/json",
    b"X-Empty:",
    b"x-tight:1",
    b"x-wide:   1  ",
    b"x-tab: a\tb",
    b"x-latin: \xe9",
    b"x-nul: \0",
    b"bad name: 1",
    b" folded",
    b"connection: keep-alive",
    b"connection: close",
    b"Connection: Keep-Alive",
    b"proxy-connection: close",
    b"transfer-encoding: chunked",
    b"upgrade: h2c",
    b"expect: 100-continue",
    b"content-length: 3",
    b"content-length: 03",
    b"content-length: +3",
    b"content-length: 50",
    b"x-long: " + b"a" * 400,
)
FIRST = (
    b"POST /pay HTTP/1.1",
    b"GET /a?b=%20 HTTP/1.1",
    b"GET /\xe9 HTTP/1.1",
    b"POST /pay HTTP/1.0",
    b"HEAD /a HTTP/1.1",
    b"PUT http://a/b HTTP/1.1",
    b"post /pay HTTP/1.1",
    b"POST  /pay HTTP/1.1",
)
BODIES = (b"", b"{}1", b"ab", b"abcd", b"0\r\n\r\n", b"3\r\n{}1\r\n0\r\n\r\n", b"x" * 50)
STATUS = (b"HTTP/1.1 200 OK", b"HTTP/1.1 204 No Content", b"HTTP/1.0 200 OK", b"HTTP/1.1 100 C")
Read = tuple[list[tuple[HttpRequest, bool]], int | None]


def messages(first: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    lines = st.lists(st.sampled_from(LINES), max_size=3)
    return st.builds(
        lambda line, begins, headers, body: b"\r\n".join([line, *begins, *headers, b"", body]),
        st.sampled_from(first),
        st.sampled_from([(), (b"host: a", b"content-length: 3"), (b"content-length: 0",)]),
        lines,
        st.sampled_from(BODIES),
    )


def read_requests(pieces: list[bytes]) -> Read:
    read: list[tuple[HttpRequest, bool]] = []
    reader = RequestReader(LIMITS, lambda request, may_follow: read.append((request, may_follow)))
    try:
        for piece in pieces:
            reader.feed(piece)
    except Rejected as rejected:
        return read, rejected.status
    return read, None


def read_answer(pieces: list[bytes]) -> object:
    reader = AnswerReader()
    try:
        for piece in pieces:
            if (answer := reader.feed(piece)) is not None:
                return answer, reader.can_stay
        return reader.end(), reader.can_stay
    except (MalformedHttp, ConnectionBroken) as error:
        return type(error)


def single(data: bytes) -> list[bytes]:
    """Byte by byte: no request is ever whole in what came last, so a parser reads it."""
    return [data[at : at + 1] for at in range(len(data))]


PLAIN = b"POST /pay HTTP/1.1\r\nHost: a\r\nconnection: keep-alive\r\ncontent-length: 3\r\n\r\n{}1"
CLOSES = b"POST /pay HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 3\r\n\r\n{}1"


@examples(80)
@given(st.lists(messages(FIRST), min_size=1, max_size=3))
@example([PLAIN, PLAIN])
@example([CLOSES, PLAIN])
def test_requests_that_come_whole_are_read_as_in_pieces(requests: list[bytes]) -> None:
    assert read_requests(requests) == read_requests(single(b"".join(requests)))


@examples(80)
@given(messages(STATUS), messages(STATUS))
@example(*[b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}1"] * 2)
def test_an_answer_with_a_head_that_was_read_before_is_read_as_in_pieces(
    before: bytes, answer: bytes
) -> None:
    read_answer([before])
    first, again = read_answer([answer]), read_answer([answer])
    assert first == again
    if isinstance(first, tuple) and first[1]:  # with nothing behind it
        assert again == read_answer(single(answer))


def test_nothing_but_plain_messages_is_read_without_a_parser() -> None:
    request = whole_request(PLAIN, LIMITS)
    assert request is not None
    assert (request.method, request.target, request.body) == ("POST", "/pay", b"{}1")
    assert request.headers == {"host": "a", "connection": "keep-alive", "content-length": "3"}
    for other in (CLOSES, PLAIN[:-1], PLAIN + b"1", PLAIN.replace(b"Host", b"content-length")):
        assert whole_request(other, LIMITS) is None


def test_each_answer_has_headers_of_its_own() -> None:
    data = b"HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 0\r\n\r\n"
    for _ in range(3):
        answer = AnswerReader().feed(data)
        assert answer is not None
        assert answer.headers == {"x-a": "1", "content-length": "0"}
        answer.headers["x-a"] = "2"
