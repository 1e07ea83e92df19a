"""Placeholders and variables of an own service: pure, without a process."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from paychain.environment.own.services import OwnServices
from paychain.environment.own.services import _callees_first as callees_first
from paychain.environment.own.variables import Addresses, near_ends, variables, webhook_secrets
from paychain.model.loading import load_chain
from tests.support.chains import checked
from tests.support.own_chains import own_shop

NEAR = {"processor-a": ("127.0.0.1", 9101), "processor-b": ("127.0.0.2", 9102)}
ADDRESSES = Addresses(("127.0.0.1", 8080), "/tmp/own", NEAR, {"processor-a": "s3cret"})


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{host}:{port}", "127.0.0.1:8080"),
        ("{url:processor-b}/v72", "http://127.0.0.2:9102/v72"),
        ("{url:authorise/processor-a}", "http://127.0.0.1:9101"),
        ("{host:processor-b} {port:processor-b}", "127.0.0.2 9102"),
        ("{secret:processor-a}", "s3cret"),
        ("{folder}/shop.db", "/tmp/own/shop.db"),
        ("{{port}} {{url:processor-a}}", "{port} {url:processor-a}"),
        ("${port} ${HOME} {{.Port}}", "${port} ${HOME} {{.Port}}"),
        ('{"a": {"b": "{port}"}}', '{"a": {"b": "8080"}}'),
        ('{"port":{port},"x":{}}', '{"port":8080,"x":{}}'),
    ],
)
def test_each_placeholder_is_replaced_and_nothing_else(text: str, filled: str) -> None:
    assert ADDRESSES.filled(text) == filled


def test_what_the_file_declares_comes_last() -> None:
    chain = checked(own_shop(env={"PORT": "1{port}", "PAYCHAIN_URL_PROCESSOR_A": "mine"}))
    found = variables(chain, "shop", ADDRESSES)
    assert found == {
        "HOST": "127.0.0.1",
        "PORT": "18080",
        "PAYCHAIN_URL_PROCESSOR_A": "mine",
        "PAYCHAIN_URL_AUTHORISE_PROCESSOR_A": "http://127.0.0.1:9101",
        "PAYCHAIN_URL_PROCESSOR_B": "http://127.0.0.2:9102",
        "PAYCHAIN_URL_AUTHORISE_PROCESSOR_B": "http://127.0.0.2:9102",
        "PAYCHAIN_WEBHOOK_SECRET_PROCESSOR_A": "s3cret",
        "PROVIDERS": "http://127.0.0.1:9101 http://127.0.0.2:9102",
    }


def test_every_sender_of_webhooks_has_a_secret_of_its_own_unless_one_is_declared() -> None:
    processor = {
        "role": "processor",
        "webhooks": {"to": "shop"},
        "calls": {"authorise": {"to": "issuer", "timeout": "1s"}},
    }
    links = {"processor-a": processor, "processor-b": processor}
    own = webhook_secrets(checked(own_shop(links=links, shop={"receives": {}})), "shop", 1)
    assert set(own) == {"processor-a", "processor-b"}
    assert len(set(own.values())) == 2
    declared = checked(own_shop(links=links, shop={"receives": {"secret": "ours"}}))
    assert set(webhook_secrets(declared, "shop", 1).values()) == {"ours"}


def test_a_private_key_is_known_without_webhooks() -> None:
    links = {
        "processor-a": {
            "role": "processor",
            "dialect": "braintree",
            "calls": {"authorise": {"to": "issuer", "timeout": "1s"}},
        }
    }
    chain = checked(own_shop(links=links, env={"PRIVATE_KEY": "{secret:processor-a}"}))
    own = webhook_secrets(chain, "shop", 1)
    assert set(own) == {"processor-a"}
    assert re.fullmatch("[0-9a-f]{32}", own["processor-a"])


def test_a_service_starts_after_those_that_it_calls() -> None:
    service = {"command": "run", "ready": {"port": True}}
    vault = {"role": "processor", "service": service, "calls": {"authorise": {"to": "issuer"}}}
    chain = checked(own_shop(links={"processor-a": vault, "processor-b": vault}))
    assert callees_first(chain) == ["processor-a", "processor-b", "shop"]
    hops = {hop.name: ("127.0.0.1", 1) for hop in chain.hops()}
    assert set(near_ends(chain, "shop", hops)) == {"processor-a", "processor-b"}


def test_what_the_shell_and_the_file_set_for_traces_comes_before_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = "import os, time; print(*(os.environ.get(name, '-') for name in "
    names = ("OTEL_SERVICE_NAME", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_PROPAGATORS")
    service = {
        "command": [sys.executable, "-c", f"{printed}{names})); time.sleep(60)"],
        "env": {"OTEL_SERVICE_NAME": "mine"},
        "telemetry": True,
        "ready": {"log": "mine"},
    }
    monkeypatch.setenv("OTEL_PROPAGATORS", "b3")
    (tmp_path / "chain.yaml").write_text(own_shop(service=service))
    own = OwnServices(load_chain(str(tmp_path / "chain.yaml")), tmp_path, lambda: 0, seed=1)
    try:
        own.reserve()
        hops = {hop.name: ("127.0.0.1", 9101) for hop in own._chain.hops()}
        own.start(hops, traces_url="http://127.0.0.1:4318")
        log = (tmp_path / "logs" / "shop.log").read_text()
    finally:
        own.stop()
    assert log.split() == ["mine", "http://127.0.0.1:4318", "b3"]
    by_hand = own.variables(hops)["shop"]
    assert by_hand["OTEL_TRACES_EXPORTER"] == "otlp"
    assert by_hand["OTEL_METRICS_EXPORTER"] == "none"


def test_a_service_without_telemetry_gets_no_variable_of_opentelemetry() -> None:
    found = variables(checked(own_shop()), "shop", ADDRESSES)
    assert not [name for name in found if name.startswith("OTEL_")]


def test_a_service_that_runs_already_cannot_learn_where_traces_go() -> None:
    url = {"url": "http://127.0.0.1:8080", "telemetry": True}
    with pytest.raises(Exception, match="runs already; remove telemetry:"):
        checked(own_shop(service=url))
