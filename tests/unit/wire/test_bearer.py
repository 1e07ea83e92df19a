"""A handler that only who knows the token reaches."""

from __future__ import annotations

import asyncio

import pytest

from paychain.processes.tokens import bearer, is_bearer_of
from paychain.wire.bearer import behind
from paychain.wire.http import HttpRequest, HttpResponse

TOKEN = "a token of a test"


async def answer(_: HttpRequest) -> HttpResponse:
    return HttpResponse(204)


def status(token: str, **headers: str) -> int:
    given = asyncio.run(
        behind(is_bearer_of(token), answer)(HttpRequest("POST", "/reset", headers))  # type: ignore[arg-type]  # asyncio.run asks for a coroutine
    )
    assert given is not None
    return given.status


def test_who_sends_the_token_is_answered() -> None:
    assert status(TOKEN, authorization=bearer(TOKEN)) == 204


@pytest.mark.parametrize(
    "header", ["", TOKEN, f"Basic {TOKEN}", "Bearer ", bearer(TOKEN + "x"), "Bearer \udcff", "é"]
)
def test_anybody_else_is_not(header: str) -> None:
    assert status(TOKEN, authorization=header) == 401
    assert status(TOKEN) == 401


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer x"])
def test_without_a_token_nobody_is_answered(header: str) -> None:
    assert status("", authorization=header) == 401


def test_what_is_open_to_all_is_read_only() -> None:
    handle = behind(is_bearer_of(TOKEN), answer, ("/health",))
    asked = (("GET", "/health"), ("POST", "/health"), ("GET", "/health/x"), ("GET", "/faults"))
    given = [asyncio.run(handle(HttpRequest(*each))) for each in asked]  # type: ignore[arg-type]  # as above
    assert [response.status for response in given if response is not None] == [204, 401, 401, 401]
