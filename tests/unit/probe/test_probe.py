"""A right webhook handler passes every probe; each wrong one fails the probe that is about it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from xml.etree import ElementTree

import pytest

from paychain.cli.exit_codes import ExitCode
from paychain.probe import probes
from paychain.protocol.dialects.vendors import VENDORS
from tests.support.cli import Done, invoked
from tests.support.toy_vendor import Toy, signature

SECRET = "toy_secret"


class Handler(BaseHTTPRequestHandler):
    """Right in everything; subclasses are wrong in one thing."""

    protocol_version = "HTTP/1.1"
    most_bytes = 1_000_000
    seen: set[str]
    acted: list[str]

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        if length > self.most_bytes:
            self.close_connection = True
            self.answer(413)
        else:
            self.answer(self.take(self.rfile.read(length)))

    def take(self, body: bytes) -> int:
        if not self.is_signed(body):
            return 400
        return self.act(json.loads(body))

    def is_signed(self, body: bytes) -> bool:
        parts = dict(
            part.split("=") for part in self.headers.get("toy-signature", "t=0,s=").split(",")
        )
        if time.time() - int(parts["t"]) > 300:
            return False
        return signature(SECRET, int(parts["t"]), body) == parts["s"]

    def act(self, event: dict[str, Any]) -> int:
        if event["id"] not in self.seen:
            self.seen.add(event["id"])
            self.acted.append(event["about"])
            (Path(self.folder) / "acted").write_text(str(len(self.acted)))
        return 200

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class TrustsAnybody(Handler):
    def is_signed(self, body: bytes) -> bool:
        return True


class TrustsTheHeaderAlone(Handler):
    def is_signed(self, body: bytes) -> bool:
        return "toy-signature" in self.headers


class KeepsNoTime(Handler):
    def is_signed(self, body: bytes) -> bool:
        parts = dict(
            part.split("=") for part in self.headers.get("toy-signature", "t=0,s=").split(",")
        )
        return signature(SECRET, int(parts["t"]), body) == parts["s"]


class ActsTwice(Handler):
    def act(self, event: dict[str, Any]) -> int:
        self.seen.discard(event["id"])
        return super().act(event)


class RefusesARepeat(Handler):
    def act(self, event: dict[str, Any]) -> int:
        return 409 if event["id"] in self.seen else super().act(event)


class WantsItsOrder(Handler):
    def act(self, event: dict[str, Any]) -> int:
        return 500 if event["what"] == "refunded" and event["about"] not in self.acted else 200


class FailsOnStrangers(Handler):
    def act(self, event: dict[str, Any]) -> int:
        return 404 if event["about"].startswith("nobody") else super().act(event)


class FailsOnHuge(Handler):
    def answer(self, status: int) -> None:
        super().answer(500 if status == 413 else status)


@contextmanager
def served(
    handler: type[Handler], folder: Path, server: type[HTTPServer] = ThreadingHTTPServer
) -> Iterator[str]:
    attributes = {"seen": set(), "acted": [], "folder": str(folder)}
    serving = server(("127.0.0.1", 0), type("Served", (handler,), attributes))
    thread = Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{serving.server_port}/webhooks"
    finally:
        serving.shutdown()
        thread.join()
        serving.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VENDORS, "toy", Toy)
    monkeypatch.setattr(probes, "SLOW_S", 0.5)


def probed(url: str, folder: Path, *more: str) -> Done:
    return invoked(folder, "probe", url, "--dialect", "toy", "--secret", SECRET, *more)


def failed(done: Done) -> set[str]:
    return {each["name"] for each in done.json["probes"] if each["passed"] is False}


def test_a_right_handler_passes_in_text_and_in_junit(tmp_path: Path) -> None:
    (tmp_path / "acted").write_text("0")
    with served(Handler, tmp_path) as url:
        count = f"cat {tmp_path / 'acted'}"
        done = probed(url, tmp_path, "--junit", "probe.xml", "--count", count)
    assert done.exit_code == ExitCode.PASS, done.stdout
    assert "the count stayed at" in done.stdout
    assert done.stdout.endswith("10 probes: pass\n")
    suite = ElementTree.parse(tmp_path / "probe.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("10", "0")


def test_a_count_of_nothing_is_a_number_whatever_its_exit_code(tmp_path: Path) -> None:
    with served(Handler, tmp_path) as url:
        done = probed(url, tmp_path, "--count", "sh -c 'echo 0; exit 1'")
    assert done.exit_code == ExitCode.PASS, done.stderr


@pytest.mark.parametrize(
    ("handler", "names"),
    [
        (
            TrustsAnybody,
            {
                "wrong signature",
                "no signature",
                "body changed after signing",
                "old timestamp",
            },
        ),
        (TrustsTheHeaderAlone, {"wrong signature", "body changed after signing", "old timestamp"}),
        (KeepsNoTime, {"old timestamp"}),
        (ActsTwice, {"twice"}),
        (RefusesARepeat, {"twice"}),
        (WantsItsOrder, {"out of order"}),
        (FailsOnStrangers, {"unknown order"}),
        (FailsOnHuge, {"huge body"}),
    ],
)
def test_a_wrong_handler_fails_what_is_about_it(
    handler: type[Handler], names: set[str], tmp_path: Path
) -> None:
    (tmp_path / "acted").write_text("0")
    with served(handler, tmp_path) as url:
        done = probed(url, tmp_path, "--format", "json", "--count", f"cat {tmp_path / 'acted'}")
    assert done.exit_code == ExitCode.FAIL
    assert failed(done) == names
    assert all(each["remedy"] for each in done.json["probes"] if each["passed"] is False)


def test_a_handler_that_serves_one_request_at_a_time_holds_up_the_others(tmp_path: Path) -> None:
    with served(Handler, tmp_path, HTTPServer) as url:
        done = probed(url, tmp_path, "--format", "json", "--timeout", "2s")
    assert "slow body" in failed(done)


class TakesNothing(Handler):
    def take(self, body: bytes) -> int:
        return 404


class FailsAlways(Handler):
    def take(self, body: bytes) -> int:
        return 500


class KnowsNoOrder(Handler):
    def act(self, event: dict[str, Any]) -> int:
        return 404


@pytest.mark.parametrize(
    ("handler", "status", "remedy"),
    [(TakesNothing, 404, "check the path"), (FailsAlways, 500, "see its log")],
)
def test_of_a_handler_that_refuses_whatever_comes_nothing_else_is_said(
    handler: type[Handler], status: int, remedy: str, tmp_path: Path
) -> None:
    with served(handler, tmp_path) as url:
        done = probed(url, tmp_path, "--format", "json")
    assert done.exit_code == ExitCode.FAIL
    first, *others = done.json["probes"]
    assert remedy in first["remedy"]
    assert {(each["passed"], each["observed"]) for each in others} == {
        (None, f"not tried: every event is answered with {status}")
    }


def test_a_handler_that_refuses_a_signature_otherwise_is_tried_in_full(tmp_path: Path) -> None:
    with served(KnowsNoOrder, tmp_path) as url:
        done = probed(url, tmp_path, "--format", "json")
    passed = {each["name"] for each in done.json["probes"] if each["passed"]}
    assert {"wrong signature", "no signature", "body changed after signing"} <= passed
    assert "--order" in done.json["probes"][0]["remedy"]


def test_nothing_that_answers_says_nothing_about_a_handler(tmp_path: Path) -> None:
    done = probed("http://127.0.0.1:9/webhooks", tmp_path)
    assert done.exit_code == ExitCode.INCONCLUSIVE
    assert "nothing answers at http://127.0.0.1:9/webhooks: connection refused" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("shop", "--dialect", "toy"), "'shop' is not an address"),
        (("http://127.0.0.1:9", "--dialect", "tyo"), "did you mean 'toy'?"),
        (("http://127.0.0.1:9", "--dialect", "adyen"), "--secret is not an HMAC key of Adyen"),
        (("http://127.0.0.1:9", "--dialect", "toy", "--amount", "1.234"), "1.234"),
        (("http://127.0.0.1:9", "--dialect", "toy", "--timeout", "soon"), "soon"),
    ],
)
def test_mistakes_are_said_plainly(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = invoked(tmp_path, "probe", *words, "--secret", SECRET)
    assert done.exit_code == ExitCode.USAGE
    assert message in done.stderr
