"""The probes in the form of providers whose webhooks are not JSON, or prove nothing alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from paychain.cli.exit_codes import ExitCode
from paychain.probe import probes
from tests.support.cli import invoked
from tests.unit.probe.test_probe import Handler, served

KEY = "private"


class BraintreeHandler(Handler):
    """Verifies as Braintree's SDKs do."""

    verifies = True

    def take(self, body: bytes) -> int:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        payload = form.get("bt_payload", "").encode()
        key = hashlib.sha1(KEY.encode()).digest()
        expected = "paychain|" + hmac.new(key, payload, hashlib.sha1).hexdigest()
        if self.verifies and form.get("bt_signature") != expected:
            return 400
        return 200 if b"<kind>transaction_settled</kind>" in base64.b64decode(payload) else 500


class Careless(BraintreeHandler):
    verifies = False


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "SLOW_S", 0.5)


@pytest.mark.parametrize(
    ("handler", "failing"),
    [
        (BraintreeHandler, set()),
        (Careless, {"wrong signature", "no signature", "body changed after signing"}),
    ],
)
def test_a_handler_of_braintrees_webhooks(
    handler: type[Handler], failing: set[str], tmp_path: Path
) -> None:
    with served(handler, tmp_path) as url:
        arguments = ("--dialect", "braintree", "--secret", KEY, "--format", "json")
        done = invoked(tmp_path, "probe", url, *arguments)
    found = {each["name"]: each["passed"] for each in done.json["probes"]}
    assert {name for name, passed in found.items() if passed is False} == failing
    assert [name for name, passed in found.items() if passed is None] == [
        "out of order",
        "old timestamp",
    ]


def test_paypals_webhooks_are_not_probed_without_its_api(tmp_path: Path) -> None:
    arguments = ("--dialect", "paypal", "--secret", "x")
    done = invoked(tmp_path, "probe", "http://127.0.0.1:9/webhooks", *arguments)
    assert done.exit_code == ExitCode.USAGE
    assert "verifies webhooks of paypal by calling its API" in done.stdout + done.stderr
