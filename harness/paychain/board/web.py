"""The board as pages of Locust's web server; every page of that server is guarded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import requests
from flask import Blueprint, Response, abort, request, send_file
from jinja2 import Environment, StrictUndefined

from paychain.board.guard import HEADER, RequestGuard, cookie_name
from paychain.board.plan import BoardPlan
from paychain.processes.sessions import direct_session
from paychain.processes.tokens import bearer, new_token
from paychain.report.drawings import palette

PREFIX = "/paychain"
TAB = "paychain"
FORWARD_WITHIN_S = 60.0  # saving a run waits until its payments are final
MAX_BODY = 100_000  # bytes of any request: an action is below 1 kB
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; frame-ancestors 'self'; form-action 'none'; base-uri 'none'"
)
COOKIE_PAGE = (
    b"<!doctype html><meta http-equiv=refresh content='0;url=/paychain/'><title>paychain</title>"
    b"<link rel=icon href='data:,'>"  # a browser asks for none
)


def install(web_ui: Any, plan: BoardPlan, secret: str, token: str) -> None:
    """Add the board to Locust's Flask app, and guard every route of that app."""
    assert token
    guard = RequestGuard(plan.host, new_token(), token, new_token())
    app = web_ui.app
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.before_request(lambda: _guarded(guard))
    app.after_request(lambda response: _in_locusts_page(response, guard))
    app.register_blueprint(_board(plan, secret, guard))
    app.wsgi_app = _of_this_origin_only(app.wsgi_app)
    # A tab of Locust can hold only a table, so our script shows the board in a frame over it.
    web_ui.template_args["extendedTabs"] = [{"title": "Payment chain", "key": TAB}]


def _guarded(guard: RequestGuard) -> Response | None:
    """Refuse a request, let it pass (None), or exchange its token for a cookie."""
    name = cookie_name(request.host)
    cookie, headers = request.cookies.get(name, ""), dict(request.headers)
    refusal = guard.refusal(request.method, headers, cookie)
    if refusal is None:
        return None
    given = request.args.get("token", "")
    if request.method == "GET" and guard.accepts(given):
        with_cookie = guard.refusal(request.method, headers, guard.session)
        if with_cookie is None:
            # A page that reloads, not a redirect: after a link on another site, a browser would
            # follow a redirect without the new cookie. Both remove the token from the address.
            response = Response(COOKIE_PAGE, mimetype="text/html")
            response.set_cookie(name, guard.session, httponly=True, samesite="Strict", path="/")
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["Cache-Control"] = "no-store"
            return response
    return Response(refusal + "\n", 403, mimetype="text/plain")


def _in_locusts_page(response: Response, guard: RequestGuard) -> Response:
    """Add a link to the board and our script to Locust's own page."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Content-Security-Policy", "frame-ancestors 'self'")
    if request.path != "/" or response.mimetype != "text/html" or response.status_code != 200:
        return response
    ours = (
        f'<meta name="paychain" content="{guard.key}">'
        f'<link rel="stylesheet" href="{PREFIX}/locust.css">'
        f'<script src="{PREFIX}/locust.js"></script></head>'
    )
    link = (
        f'<body><nav class="paychain"><a href="{PREFIX}/">paychain board</a> '
        "Each Locust user is one payment per second.</nav>"
    )
    page = response.get_data(as_text=True).replace("</head>", ours, 1).replace("<body>", link, 1)
    response.set_data(page)
    response.headers["Cache-Control"] = "no-store"
    return response


def _of_this_origin_only(app: Any) -> Callable[[Any, Any], Iterable[bytes]]:
    """Remove the headers with which Locust lets pages of any origin read its responses."""

    def answer(environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            kept = [
                (name, value)
                for name, value in headers
                if not name.lower().startswith("access-control-")
            ]
            return start_response(status, kept, *rest)

        body: Iterable[bytes] = app(environ, start)
        return body

    return answer


def _board(plan: BoardPlan, secret: str, guard: RequestGuard) -> Blueprint:
    board = Blueprint("paychain", __name__, url_prefix=PREFIX)
    session = direct_session()
    session.headers["authorization"] = bearer(secret)

    def forward(method: str, path: str, body: bytes = b"") -> Response:
        try:
            answer = session.request(
                method, plan.control + path, data=body, timeout=FORWARD_WITHIN_S
            )
        except requests.RequestException:
            return Response(
                b'{"message":"paychain load has ended"}', 502, mimetype="application/json"
            )
        response = Response(answer.content, answer.status_code, mimetype="application/json")
        response.headers["Cache-Control"] = "no-store"
        return response

    @board.get("/")
    def page() -> Response:
        facts = forward("GET", "/page")
        if facts.status_code != 200:
            return facts
        text = _rendered(msgspec.json.decode(facts.get_data()), guard.key)
        response = Response(text, mimetype="text/html")
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        return response

    @board.get("/<name>.<kind>")
    def file(name: str, kind: str) -> Response:
        known = {("board", "css"), ("board", "js"), ("locust", "css"), ("locust", "js")}
        if (name, kind) not in known:
            abort(404)
        text = asset(f"{name}.{kind}")
        if (name, kind) == ("board", "css"):
            text = palette.css() + text
        return Response(text, mimetype="text/css" if kind == "css" else "text/javascript")

    @board.get("/state")
    def state() -> Response:
        return forward("GET", "/state")

    @board.post("/do")
    def do() -> Response:
        return forward("POST", "/do", request.get_data())

    @board.get("/report/<int:number>")
    def report(number: int) -> Response:
        saved = msgspec.json.decode(forward("GET", "/state").get_data()).get("saved", [])
        if not 0 < number <= len(saved):
            abort(404)
        page: Response = send_file(Path(saved[number - 1]["report"]).resolve())
        return page

    return board


def _rendered(facts: Any, key: str) -> str:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(asset("board.html.j2")).render(key=key, header=HEADER, **facts)


def asset(name: str) -> str:
    """The text of a file in the page folder."""
    return resources.files(__package__).joinpath(f"page/{name}").read_text("utf-8")
