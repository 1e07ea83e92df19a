"""A Ctrl-C that comes while the parser calls us is no malformed message."""

from __future__ import annotations

import pytest

from paychain.wire.answer import AnswerReader
from paychain.wire.http import ServerLimits
from paychain.wire.requests import RequestReader


def test_while_an_answer_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AnswerReader, "on_headers_complete", interrupt)
    with pytest.raises(KeyboardInterrupt):
        AnswerReader().feed(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


def test_while_a_request_is_read() -> None:
    reader = RequestReader(ServerLimits(), interrupt)
    with pytest.raises(KeyboardInterrupt):
        reader.feed(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n")


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt
