"""Laws of the server for whatever bytes a client sends, and however they arrive."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from paychain.wire.http import HttpRequest
from tests.support.laws import examples
from tests.support.wire_memory import CONTINUE, Watched, serve
from tests.support.wire_requests import mutated, split

EXAMPLES = examples(100)
watched = Watched()
anything = st.binary(max_size=200) | mutated()
AN_ANSWER = re.compile(
    rb"HTTP/1\.1 (200|4\d\d|50[15]) [A-Za-z -]+\r\n"
    rb"content-length: (\d+)\r\n(connection: close\r\n)?\r\n"
)


def answers(written: bytes, handled: list[HttpRequest]) -> list[int]:
    """The statuses of well-formed answers, each as long as it says; nothing else may be there."""
    found: list[int] = []
    for request in [*handled, HttpRequest("GET", "/")]:
        head = AN_ANSWER.match(written)
        if head is None:
            break
        found.append(int(head[1]))
        assert head[1] != b"200" or int(head[2]) == len(request.body)
        length = 0 if request.method == "HEAD" else int(head[2])
        written = written[head.end() + length :]
        assert head[3] is None or not written
    assert not written
    return found


@EXAMPLES
@given(anything)
def test_every_handled_request_is_answered_and_at_most_one_rejected(data: bytes) -> None:
    handled, written, undelivered = watched.run(serve([data]))
    statuses = answers(written.replace(CONTINUE, b""), handled)
    assert statuses[: len(handled)] == [200] * len(handled)
    assert len(statuses) - len(handled) in (0, 1)
    assert not undelivered


@EXAMPLES
@given(st.data(), anything, st.integers(0, 4))
def test_it_does_not_matter_how_the_bytes_are_split(
    data: st.DataObject, sent: bytes, turns: int
) -> None:
    whole = watched.run(serve([sent]))
    pieces = watched.run(serve(data.draw(split(sent)), turns=turns))
    assert pieces[0] == whole[0]
    assert pieces[1].replace(CONTINUE, b"") == whole[1].replace(CONTINUE, b"")


@EXAMPLES
@given(anything)
def test_byte_by_byte_is_like_at_once(sent: bytes) -> None:
    whole = watched.run(serve([sent]))
    pieces = watched.run(serve([bytes([byte]) for byte in sent]))
    assert pieces[0] == whole[0]
    assert pieces[1].replace(CONTINUE, b"") == whole[1].replace(CONTINUE, b"")


@EXAMPLES
@given(st.data(), mutated(), st.integers(0, 4))
def test_a_reset_loses_no_work_and_every_answer_is_written_or_reported(
    data: st.DataObject, sent: bytes, turns: int
) -> None:
    whole = watched.run(serve([sent]))
    handled, written, undelivered = watched.run(
        serve(data.draw(split(sent)), turns=turns, end="reset")
    )
    assert handled == whole[0][: len(handled)]
    written_200 = [
        status for status in answers(written.replace(CONTINUE, b""), handled) if status == 200
    ]
    # telltale_s is 0 here: an answer that was written counts as delivered.
    assert len(written_200) + len(undelivered) == len(handled)
    assert undelivered == handled[len(written_200) :]
