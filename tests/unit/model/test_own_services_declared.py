"""Own services as declared: what a file may say of them, and which hops they have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from paychain.declaration.yaml_text import parse
from paychain.model.chain import Chain
from paychain.model.checks import check_chain, check_experiment
from paychain.model.experiment import Experiment
from paychain.model.loading import FileMistakes, load_chain
from tests.support.chains import checked
from tests.support.own_chains import own_shop

PROCESSOR = {"role": "processor", "calls": {"authorise": {"to": "issuer", "timeout": "1s"}}}


def mistakes(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "shop.yaml"
    path.write_text(text)
    with pytest.raises(FileMistakes) as caught:
        load_chain(str(path))
    return [line.removeprefix(f"{path}:") for line in caught.value.lines]


def mistake(tmp_path: Path, text: str) -> tuple[str, str]:
    """The only mistake of a file: what is written in its place, and what the message says."""
    (line,) = mistakes(tmp_path, text)
    row, column, said = line.split(":", 2)
    return text.splitlines()[int(row) - 1][int(column) - 1 :], said.strip()


def test_an_own_service_is_declared_by_its_command_its_url_or_its_application() -> None:
    chain = checked(own_shop(service={"command": "npm run 'start shop'"}))
    service = chain.own_services()["shop"]
    assert service.command == ["npm", "run", "start shop"]
    assert (service.ready.within, service.stop.signal, service.stop.within) == (60, "TERM", 10)
    ports = {"processor-a": 9101, "processor-b": 9102}
    running = checked(own_shop(service={"url": "http://localhost:8080/", "ports": ports}))
    assert running.own_services()["shop"].form == "http://localhost:8080"
    assert checked(own_shop(service={"app": "shop.app:app"})).own_services()["shop"].is_started


@pytest.mark.parametrize(
    ("service", "at", "said"),
    [
        ({}, "{}", "the service has no command; give exactly one of command, url and app"),
        (
            {"command": "a", "app": "a:b"},
            "{",
            "the service has command and app; give exactly one of command, url and app",
        ),
        ({"command": "run 'it"}, "run", "'run 'it' has a quote without its other half; close it"),
        ({"command": []}, "[]", "'command' has 0 items; give it at least 1"),
        (
            {"url": "https://127.0.0.1:1"},
            "https",
            "'https://127.0.0.1:1' is not an http URL; write one such as http://127.0.0.1:8080",
        ),
        (
            {"url": "http://127.0.0.1:1/api"},
            "http",
            "'http://127.0.0.1:1/api' is more than a host and a port; "
            "write one such as http://127.0.0.1:8080",
        ),
        (
            {"url": "http://127.0.0.1:1", "env": {"A": "b"}},
            "{",
            "a service with url: runs already; remove env:",
        ),
        (
            {"command": "a", "ready": {"http": "/up", "log": "up"}},
            "{",
            "ready has http and log; give one of them",
        ),
        (
            {"command": "a", "ready": {"http": "up"}},
            "up",
            "'up' is not a path; write one such as /health",
        ),
        ({"command": "a", "port": 70000}, "70000", "port: '70000' is out of range"),
    ],
)
def test_a_service_that_cannot_be_meant_is_a_mistake_at_its_place(
    tmp_path: Path, service: Mapping[str, Any], at: str, said: str
) -> None:
    found, message = mistake(tmp_path, own_shop(service=service))
    assert found.lstrip("'").startswith(at) or at == "{"
    assert message.startswith(said)


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ({"command": "run {prot}"}, "unknown placeholder '{prot}'; there are {host}, {port}, "),
        (
            {"command": "a", "env": {"A": "{url}"}},
            "'{url}' names no link; write {url:LINK}",
        ),
        (
            {"command": "a", "env": {"A": "{url:issuer}"}},
            "shop does not call 'issuer', so it has no hop there; "
            "it calls: processor-a, processor-b",
        ),
        (
            {"command": "a", "env": {"A": "{url:procesor-a}"}},
            "unknown link 'procesor-a'; did you mean 'processor-a'?",
        ),
        (
            {"command": "a", "env": {"A": "{url:capture/processor-a}"}},
            "shop has no call 'capture' to processor-a; write {url:processor-a}",
        ),
        (
            {"command": "a", "before": [["reset", "{secret:processor-a}"]]},
            "'processor-a' sends no webhooks to shop, so there is no secret for it; "
            "there is one for: no link",
        ),
        ({"command": "a", "env": {"A": "{folder:issuer}"}}, "'{folder:issuer}': folder is of no l"),
        ({"command": "a", "env": {"A B": "c"}}, "'A B' is not the name of a variable; "),
        ({"command": "a", "ports": {"issuer": 9101}}, "unknown link 'issuer'; there are: proc"),
        (
            {"command": "a", "port": 9101, "ports": {"processor-a": 9101}},
            "port 9101 is used by shop already; choose another port",
        ),
        (
            {"url": "http://127.0.0.1:8080"},
            "shop is already running: before the run it must know where processor-a will be; "
            "add ports: {processor-a: 9101}, and let it call http://127.0.0.1:9101",
        ),
        (
            {"url": "http://10.0.0.5:8080", "ports": {"processor-a": 9101, "processor-b": 9102}},
            "shop runs at 10.0.0.5, which cannot reach the links that it calls; "
            "run it on the machine of the run: http://127.0.0.1:8080",
        ),
        (
            {"command": "npm ci && npm start"},
            "'&&' needs a shell, but none is used; write [sh, -c, \"…\"] for a shell",
        ),
        (
            {"command": "run --port $PORT"},
            "no shell expands '$PORT'; write a placeholder such as {port}; ",
        ),
        (
            {"command": "a", "before": ["NODE_ENV=test npm ci"]},
            "'NODE_ENV=test' sets a variable, which only a shell can do; put it under env:",
        ),
    ],
)
def test_what_a_service_names_has_to_exist(
    tmp_path: Path, service: Mapping[str, Any], said: str
) -> None:
    _, message = mistake(tmp_path, own_shop(service=service))
    assert message.startswith(said)


def test_text_in_braces_that_is_no_placeholder_stays_as_it_is() -> None:
    script = ["/bin/sh", "-c", "X=1 a && exec b --port $PORT | tee ${LOG}"]
    checked(own_shop(service={"command": script, "before": [script]}))
    env = {"JSON": '{"a": {"b": 1}}', "SHELL": "${port}", "LITERAL": "{{port}}", "GO": "{{.Port}}"}
    checked(own_shop(service={"command": "a", "env": env}))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            {"timeout": "3s"},
            "shop is an own service: its code decides, not 'timeout'; "
            "if the code is meant to do that, put it under claims:",
        ),
        (
            {"bulkhead": {"size": 3}},
            "shop is an own service: its code decides, not 'bulkhead'; remove it",
        ),
        (
            {"fallback": [{"decline": "91"}]},
            "shop is an own service: its code decides, not 'decline'; "
            "name the links that it may call: {to: LINK}",
        ),
    ],
)
def test_a_policy_of_an_own_service_is_a_mistake(
    tmp_path: Path, call: Mapping[str, Any], said: str
) -> None:
    text = own_shop(call={"to": "processor-a", "fallback": [{"to": "processor-b"}], **call})
    said_first = mistakes(tmp_path, text)
    assert any(said in line for line in said_first)


def test_how_a_mock_behaves_is_no_setting_of_an_own_service(tmp_path: Path) -> None:
    said = mistakes(tmp_path, own_shop(shop={"captures": {"after": "1s"}, "isolate": True}))
    assert [line.split(": ", 1)[1] for line in said] == [
        "shop is an own service: 'captures' is how a mock behaves; "
        "remove it: the service's code decides",
        "shop is an own service, which has a process of its own; remove it",
    ]


def test_an_own_service_has_no_vendors_api(tmp_path: Path) -> None:
    _, said = mistake(tmp_path, own_shop(shop={"dialect": "adyen"}))
    assert said.startswith("shop is an own service: 'adyen' is an API that mocks have; remove it")


def test_claims_and_receives_are_for_own_services(tmp_path: Path) -> None:
    claiming = {"to": "issuer", "timeout": "1s", "claims": {"timeout": "1s"}}
    processor = {"role": "processor", "receives": {}, "calls": {"authorise": claiming}}
    said = mistakes(tmp_path, own_shop(links={"processor-a": processor}))
    assert [line.split(": ", 1)[1] for line in said] == [
        "processor-a is a mock: it needs no path for webhooks; add service:, or remove it",
        "processor-a is a mock: it does what the call declares; "
        "write the keys under claims: directly into the call",
    ]


def test_links_around_an_own_service_are_neither_isolated_nor_elsewhere(tmp_path: Path) -> None:
    text = own_shop(
        links={"processor-a": {**PROCESSOR, "isolate": True}},
        hosts={"m1": {"address": "127.0.0.1", "links": ["shop", "processor-b"]}},
    )
    assert sorted(line.split(": ", 1)[1].split(";")[0] for line in mistakes(tmp_path, text)) == [
        "'processor-a' is called by the own service shop and cannot be isolated",
        "'processor-b' is called by the own service shop: both run on one machine",
        "'shop' is an own service: it runs on the machine of the run",
    ]


def test_webhooks_need_a_path_and_a_path_needs_webhooks(tmp_path: Path) -> None:
    sending = {"processor-a": {**PROCESSOR, "webhooks": {"to": "shop"}}}
    _, said = mistake(tmp_path, own_shop(links=sending))
    assert said == (
        "processor-a sends webhooks to shop, which declares no path for them; "
        "add receives: {path: /webhooks/{link}}"
    )
    _, said = mistake(tmp_path, own_shop(shop={"receives": {"path": "/hooks"}}))
    assert said.startswith("no link sends webhooks to shop; add webhooks: {to: shop} to its")
    chain = checked(own_shop(links=sending, shop={"receives": {"path": "/hooks/{link}"}}))
    receives = chain.links["shop"].receives
    assert receives is not None
    assert receives.path_of("processor-a") == "/hooks/processor-a"


def test_a_secret_has_the_form_of_the_provider_that_signs_with_it(tmp_path: Path) -> None:
    def shop(dialect: str, secret: str) -> str:
        sender = {**PROCESSOR, "webhooks": {"to": "shop"}, "dialect": dialect}
        return own_shop(links={"processor-a": sender}, shop={"receives": {"secret": secret}})

    at, said = mistake(tmp_path, shop("adyen", "ours"))
    assert at.startswith("ours")
    assert said.startswith("for processor-a it is not an HMAC key of Adyen")
    checked(shop("adyen", "44782DEF"))
    checked(shop("stripe", "ours"))


def test_an_own_service_has_one_hop_to_each_link_that_it_calls() -> None:
    calls = {
        "authorise": {"to": "processor-a", "fallback": [{"to": "processor-b"}]},
        "authenticate": {"to": "processor-a"},
    }
    chain = checked(own_shop(shop={"calls": calls}))
    assert [hop.name for hop in chain.hops() if hop.caller == "shop"] == [
        "shop.authorise.processor-a",
        "shop.authorise.processor-b",
    ]
    # What it may do without saying so has to get through the mocks behind it.
    assert {hop.operation for hop in chain.hops() if hop.caller == "processor-a"} == {
        "authorise",
        "void",
        "capture",
        "refund",
    }


def fault_mistakes(fault: str, chain: str) -> list[tuple[str, str]]:
    text = (
        "experiment: x\nload: {arrivals: 1/s, before: 1s, after: 1s}\n"
        f"faults:\n  - {{at: 0s, for: 1s, {fault}}}\n"
    )
    experiment = Experiment.model_validate(parse(text).value)
    model = Chain.model_validate(parse(chain).value)
    assert check_chain(model) == []
    return [(item.what, item.hint) for item in check_experiment(experiment, model)]


SHOP = own_shop()
RUNNING = own_shop(
    service={"url": "http://127.0.0.1:8080", "ports": {"processor-a": 9101, "processor-b": 9102}}
)


def test_only_a_mock_can_do_wrong_on_purpose() -> None:
    for kind in ("lost_answer: {}", "wrong_answer: {says: declined}", "http_error: {status: 503}"):
        ((what, hint),) = fault_mistakes(f"target: {{link: shop}}, {kind}", SHOP)
        assert what.startswith("shop is an own service: only a mock can be made to do ")
        assert hint == (
            "inject it into the mock behind it (processor-a), or such as latency into the hop in "
            "front of it; crash and freeze can act"
        )
    assert fault_mistakes("target: {call: shop.authorise}, lost_answer: {}", SHOP) == []
    for kind in ("crash: {}", "freeze: {}"):
        assert fault_mistakes(f"target: {{link: shop}}, {kind}", SHOP) == []


def test_a_service_that_runs_already_is_not_the_runs_to_stop() -> None:
    for kind in ("crash: {}", "freeze: {}"):
        ((what, hint),) = fault_mistakes(f"target: {{link: shop}}, {kind}", RUNNING)
        assert what.startswith("shop runs already (url:)")
        assert "down" in hint


def test_a_freeze_is_for_a_link_with_a_process_of_its_own() -> None:
    ((what, hint),) = fault_mistakes("target: {link: issuer}, freeze: {}", SHOP)
    assert what.startswith("issuer shares its process with other links")
    assert hint == "write isolate: true on the link"
    alone = own_shop(links={"issuer": {"role": "issuer", "isolate": True}})
    assert fault_mistakes("target: {link: issuer}, freeze: {}", alone) == []


def test_a_mistake_in_a_service_does_not_make_its_link_a_mock(tmp_path: Path) -> None:
    text = own_shop(service={"cmd": "npm start"}, shop={"receives": {"path": "/webhooks"}})
    (said,) = mistakes(tmp_path, text)
    assert said.endswith("unknown key 'cmd'; did you mean 'command'?")
