"""The board beside another page's server: what it adds, and what it refuses for all of it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from flask import Flask

from paychain.board.control import Control, PendingAction
from paychain.board.guard import HEADER
from paychain.board.plan import BoardPlan
from paychain.board.web import POLICY, install

TOKEN = "a-token-of-some-length"
PAGE = "<html><head><title>Locust</title></head><body><div id=root></div></body></html>"
FACTS = {
    "chain": "shop",
    "title": "Shop <b>",
    "spec": "shop",
    "engine": "embedded",
    "seed": 1,
    "rate": 20,
    "window_s": 10,
    "rules": 16,
    "quiet_s": 15,
    "places": [
        {
            "target": "link",
            "name": "processor-a",
            "about": "processor",
            "toggles": [
                {"kind": "down", "meaning": "gone", "values": {"share": "100%"}},
                {"kind": "latency", "meaning": "late", "values": {"delay": "400ms"}},
            ],
        }
    ],
}


@pytest.fixture
def control() -> Iterator[Control]:
    made = Control("a secret")
    made.page = msgspec.json.encode(FACTS)
    made.start()
    yield made
    made.stop()


def served(  # type: ignore[no-untyped-def]  # a context of a server
    control: Control, host: str = "127.0.0.1", *, is_open: bool = True, secret: str = "a secret"
):
    """A server as Locust's, which lets every page read its answers; the board `is_open`ed."""
    app = Flask("a_server")
    app.after_request(_open_to_all)
    app.add_url_rule("/", view_func=lambda: PAGE)
    app.add_url_rule("/swarm", "swarm", lambda: {"success": True}, methods=["POST"])
    app.add_url_rule("/stop", "stop", lambda: {"success": True}, methods=["POST"])
    web_ui = SimpleNamespace(app=app, template_args={})
    install(web_ui, BoardPlan(control.url, host), secret, TOKEN)
    client = app.test_client()
    if is_open:
        assert client.get(f"/paychain/?token={TOKEN}").status_code == 200
    return client, web_ui


def _open_to_all(response: Any) -> Any:
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def key_of(page: str) -> str:
    return page.partition('name="paychain" content="')[2].partition('"')[0]


def test_locusts_page_gets_a_way_to_the_board_and_a_tab(control: Control) -> None:
    client, web_ui = served(control)
    page = client.get("/").text
    assert '<a href="/paychain/">' in page
    assert len(key_of(page)) >= 32
    assert web_ui.template_args["extendedTabs"] == [{"title": "Payment chain", "key": "paychain"}]


def test_no_other_page_may_read_an_answer(control: Control) -> None:
    client, _ = served(control)
    for path in ("/", "/paychain/", "/paychain/state"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert client.get("/", headers={"Origin": "http://evil.example"}).status_code == 403


@pytest.mark.parametrize("path", ["/swarm", "/stop", "/paychain/do"])
def test_what_changes_something_is_refused_without_the_header(control: Control, path: str) -> None:
    client, _ = served(control)
    answer = client.post(path, data={"user_count": 5})
    assert answer.status_code == 403
    assert HEADER in answer.text
    assert control.actions.empty()


@pytest.mark.parametrize("path", ["/swarm", "/stop"])
def test_locusts_own_page_may_start_and_stop(control: Control, path: str) -> None:
    client, _ = served(control)
    headers = {HEADER: key_of(client.get("/").text), "Origin": "http://localhost"}
    assert client.post(path, headers=headers).json == {"success": True}
    foreign = headers | {"Origin": "http://evil.example"}
    assert client.post(path, headers=foreign).status_code == 403
    rebound = headers | {"Host": "evil.example:8089", "Origin": "http://evil.example:8089"}
    assert client.post(path, headers=rebound).status_code == 403


def test_the_board_is_a_page_without_anything_foreign(control: Control) -> None:
    client, _ = served(control)
    answer = client.get("/paychain/")
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert "Shop &lt;b&gt;" in answer.text
    assert 'data-name="processor-a" data-kind="latency"' in answer.text
    assert "http://" not in answer.text.replace("http://www.w3.org", "")
    assert "https://" not in answer.text
    assert "style=" not in answer.text
    for name in ("board.css", "board.js", "locust.css", "locust.js"):
        assert client.get(f"/paychain/{name}").status_code == 200
    for name in ("board.html", "secret.js", "../web.py"):
        assert client.get(f"/paychain/{name}").status_code == 404


def test_an_action_reaches_the_session_and_its_answer_the_page(control: Control) -> None:
    client, _ = served(control)
    headers = {HEADER: key_of(client.get("/paychain/").text)}

    def answer(asked: PendingAction) -> None:
        asked.done.set_result(f"{asked.action.fault} is healed")

    control.actions.put = control.actions.put_nowait = answer  # type: ignore[assignment,method-assign]  # in place of the real one
    answer = client.post("/paychain/do", headers=headers, json={"do": "heal", "fault": "down-1"})
    assert answer.json == {"message": "down-1 is healed"}
    assert client.post("/paychain/do", headers=headers, data="{").status_code == 400
    assert client.post("/paychain/do", headers=headers, data="x" * 200_000).status_code == 413


def test_only_saved_reports_are_given_out(control: Control, tmp_path: Any) -> None:
    (tmp_path / "report.html").write_text("the report")
    control.state = msgspec.json.encode({"saved": [{"report": str(tmp_path / "report.html")}]})
    client, _ = served(control)
    assert client.get("/paychain/report/1").text == "the report"
    assert client.get("/paychain/report/0").status_code == 404
    assert client.get("/paychain/report/2").status_code == 404


def test_a_load_process_without_the_secret_is_not_heard(control: Control) -> None:
    client, _ = served(control, secret="a guess")
    assert client.get("/paychain/state").status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_token_is_asked_for_once(control: Control, host: str) -> None:
    client, _ = served(control, host, is_open=False)
    for path in ("/", "/paychain/", "/paychain/state", "/paychain/board.js"):
        assert client.get(path).status_code == 403
    assert client.get("/paychain/?token=another-token-of-length").status_code == 403
    assert client.post(f"/swarm?token={TOKEN}").status_code == 403
    first = client.get(f"/paychain/?token={TOKEN}")
    assert first.status_code == 200
    assert TOKEN not in first.text
    cookie = first.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert "Shop" in client.get("/paychain/").text  # with the cookie from now on


def test_a_token_from_another_page_sets_no_cookie(control: Control) -> None:
    client, _ = served(control, is_open=False)
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert client.get(f"/paychain/?token={TOKEN}", headers=embedded).status_code == 403
