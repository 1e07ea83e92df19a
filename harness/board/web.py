"""The board as pages of Locust's web server, which is guarded as a whole."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import requests
from flask import Blueprint, Response, abort, request, send_file
from jinja2 import Environment, StrictUndefined

from harness.board.control import BEARER
from harness.board.guard import COOKIE, HEADER, Guard, is_loopback
from harness.board.plan import BoardPlan
from harness.report import palette

PREFIX = "/paychain"
TAB = "paychain"
FORWARD_S = 60.0
MOST_BODY = 100_000  # of any request
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; frame-ancestors 'self'; form-action 'none'; base-uri 'none'"
)
SET = b"<!doctype html><meta http-equiv=refresh content='0;url=/paychain/'><title>paychain</title>"


def install(web_ui: Any, plan: BoardPlan, secret: str, token: str) -> None:
    """Add the board to Locust's Flask app, and guard everything that the app answers."""
    assert token or is_loopback(plan.host)
    guard = Guard(plan.host, secrets.token_urlsafe(24), token, secrets.token_urlsafe(24))
    app = web_ui.app
    app.config["MAX_CONTENT_LENGTH"] = MOST_BODY
    app.before_request(lambda: _guarded(guard))
    app.after_request(lambda response: _in_locusts_page(response, guard))
    app.register_blueprint(_board(plan, secret, guard))
    app.wsgi_app = _of_this_origin_only(app.wsgi_app)
    # Without code for its own framework a tab of Locust holds a table at most: ours is filled by a
    # script of ours, with the board in a frame.
    web_ui.template_args["extendedTabs"] = [{"title": "Payment chain", "key": TAB}]


def _guarded(guard: Guard) -> Response | None:
    """Refuse, let pass, or exchange the token for a cookie."""
    cookie, headers = request.cookies.get(COOKIE, ""), dict(request.headers)
    refusal = guard.refusal(request.method, headers, cookie)
    if refusal is None:
        return None
    given = request.args.get("token", "")
    if request.method == "GET" and guard.accepts(given):
        with_cookie = guard.refusal(request.method, headers, guard.session)
        if with_cookie is None:
            # No redirect: a browser that came from a link elsewhere would follow it without the
            # cookie. The token leaves the address bar either way.
            response = Response(SET, mimetype="text/html")
            response.set_cookie(COOKIE, guard.session, httponly=True, samesite="Strict", path="/")
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["Cache-Control"] = "no-store"
            return response
    return Response(refusal + "\n", 403, mimetype="text/plain")


def _in_locusts_page(response: Response, guard: Guard) -> Response:
    """A way to the board on Locust's own page, and the header on what the page sends."""
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
        f'<body><nav class="paychain"><a href="{PREFIX}/">paychain: the board</a> '
        "One of Locust's users is one payment a second.</nav>"
    )
    page = response.get_data(as_text=True).replace("</head>", ours, 1).replace("<body>", link, 1)
    response.set_data(page)
    response.headers["Cache-Control"] = "no-store"
    return response


def _of_this_origin_only(app: Any) -> Callable[[Any, Any], Iterable[bytes]]:
    """Locust lets every page read its answers: take that back."""

    def answer(environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            kept = [one for one in headers if not one[0].lower().startswith("access-control-")]
            return start_response(status, kept, *rest)

        found: Iterable[bytes] = app(environ, start)
        return found

    return answer


def _board(plan: BoardPlan, secret: str, guard: Guard) -> Blueprint:
    board = Blueprint("paychain", __name__, url_prefix=PREFIX)
    session = requests.Session()
    session.trust_env = False
    session.headers["authorization"] = BEARER + secret

    def forward(method: str, path: str, body: bytes = b"") -> Response:
        try:
            answer = session.request(method, plan.control + path, data=body, timeout=FORWARD_S)
        except requests.RequestException:
            return Response(b'{"said":"paychain load has ended"}', 502, mimetype="application/json")
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
        found: Response = send_file(Path(saved[number - 1]["report"]).resolve())
        return found

    return board


def _rendered(facts: Any, key: str) -> str:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(asset("board.html.j2")).render(key=key, header=HEADER, **facts)


def asset(name: str) -> str:
    """A file of the page folder."""
    return resources.files(__package__).joinpath(f"page/{name}").read_text("utf-8")
