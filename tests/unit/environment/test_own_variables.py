"""Placeholders and variables of an own service: pure, without a process."""

from __future__ import annotations

import pytest

from paychain.environment.own.services import _callees_first as callees_first
from paychain.environment.own.variables import Addresses, near_ends, variables, webhook_secrets
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


def test_a_service_starts_after_those_that_it_calls() -> None:
    service = {"command": "run", "ready": {"port": True}}
    vault = {"role": "processor", "service": service, "calls": {"authorise": {"to": "issuer"}}}
    chain = checked(own_shop(links={"processor-a": vault, "processor-b": vault}))
    assert callees_first(chain) == ["processor-a", "processor-b", "shop"]
    hops = {hop.name: ("127.0.0.1", 1) for hop in chain.hops()}
    assert set(near_ends(chain, "shop", hops)) == {"processor-a", "processor-b"}
