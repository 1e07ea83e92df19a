"""The files that `paychain compose` and `paychain k8s` write, held to the published schemas."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from paychain.model.chain import Chain
from paychain.model.loading import load_chain, load_experiment
from paychain.placement.deployment import label
from paychain.placement.own import own_containers
from tests.support.chains import experiment
from tests.support.cli import Done, invoked
from tests.support.own_chains import PROVIDERS, own_shop
from tests.support.runs import declare

GOLDEN = Path(__file__).with_name("golden")
KUBERNETES = "1.29"  # the oldest that knows sidecars
COMPOSE = jsonschema.Draft7Validator(
    json.loads(
        resources.files("check_jsonschema")
        .joinpath("builtin_schemas/vendor/compose-spec.json")
        .read_text("utf-8")
    )
)
SHOP: dict[str, Any] = {
    "command": ["node", "shop.js", "--port", "{port}", "--cash", "$5"],
    "before": [["node", "migrate.js", "{folder}/shop.db"]],
    "env": {**PROVIDERS, "PRICE": "$(CASH)"},
    "ready": {"http": "/health"},
}
IMAGES = ["--image", "shop=registry.test/shop:1"]
PLAIN = experiment("{at: 0s, for: 1s, target: {link: issuer}, lost_answer: {share: 10%}}")


def written(folder: Path, command: str, *words: str, **chain: Any) -> Done:
    declare(folder, shop=own_shop(service=chain.pop("service", SHOP), **chain), brief=PLAIN)
    # Image and network are named, so that no golden file has our version.
    return invoked(folder, command, "shop.yaml", *words, "--paychain-image", "paychain:test")


def compose_in(folder: Path) -> dict[str, Any]:
    text = (folder / "compose/compose.yaml").read_text("utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    COMPOSE.validate(found)
    return found


def objects_in(folder: Path) -> list[dict[str, Any]]:
    """All objects, the secret last."""
    texts = [path.read_text("utf-8") for path in sorted((folder / "k8s").glob("*.yaml"))]
    return [each for text in texts for each in yaml.safe_load_all(text)]


@pytest.mark.parametrize(
    ("command", "file"), [("compose", "compose.yaml"), ("k8s", "paychain.yaml")]
)
def test_what_is_written_is_what_was_read_by_a_person(
    tmp_path: Path, command: str, file: str
) -> None:
    done = written(tmp_path, command, "brief.yaml", "--by", "role", "--workers", "2", *IMAGES)
    assert done.exit_code == 0, done.stderr
    text = (tmp_path / command / file).read_text("utf-8")
    assert text == (GOLDEN / file).read_text("utf-8")


@pytest.mark.slow  # compiling the schemas takes seconds
@pytest.mark.parametrize("words", [["brief.yaml", "--by", "role"], ["--by", "role"]])
def test_kubernetes_takes_every_object(tmp_path: Path, words: list[str]) -> None:
    assert written(tmp_path, "k8s", *words, *IMAGES).exit_code == 0
    for each in objects_in(tmp_path):
        kubernetes_validate.validate(each, KUBERNETES, strict=True)


@pytest.mark.parametrize("words", [["brief.yaml"], []])
@pytest.mark.parametrize("by", ["provider", "chain"])
def test_every_choice_can_be_written_for_both_systems(
    tmp_path: Path, words: list[str], by: str
) -> None:
    for command in ("compose", "k8s"):
        assert written(tmp_path, command, *words, "--by", by, *IMAGES).exit_code == 0
    services = compose_in(tmp_path)["services"]
    kinds = [each["kind"] for each in objects_in(tmp_path)]
    assert ("worker" in services) == (words == ["brief.yaml"])
    assert kinds.count("Job") == (0 if not words else 1 + ("worker" in services))
    # By provider there is nothing to place: no link of the shop has one.
    assert ("hosts" in yaml.safe_load(read(tmp_path, "chains/shop.yaml"))) == (by != "provider")
    needs_token = by != "provider" or "worker" in services or not words
    assert (tmp_path / "compose/.env").exists() == needs_token == ("Secret" in kinds)


def read(folder: Path, path: str) -> str:
    return (folder / "compose" / path).read_text("utf-8")


def test_the_run_reads_a_chain_in_which_its_links_are_elsewhere(tmp_path: Path) -> None:
    assert written(tmp_path, "compose", "brief.yaml", "--by", "link", *IMAGES).exit_code == 0
    chain: Chain = load_chain(str(tmp_path / "compose/chains/shop.yaml")).model
    load_experiment(str(tmp_path / "compose/chaos/brief.yaml"), chain)
    # The shop calls both processors: they stay with it on the machine of the run.
    assert {name: host.links for name, host in chain.hosts.items()} == {"issuer": ["issuer"]}
    assert chain.hosts["issuer"].address == "links-issuer"
    own = chain.own_services()["shop"]
    assert own.url == "http://127.0.0.1:8200"
    assert own.ports == {"processor-a": 9100, "processor-b": 9101}
    assert own.ready.http == "/health"
    shop = compose_in(tmp_path)["services"]["shop"]
    assert shop["network_mode"] == "service:run"
    assert shop["environment"]["PROVIDERS"] == "http://127.0.0.1:9100 http://127.0.0.1:9101"
    assert shop["environment"]["PRICE"] == "$$(CASH)"  # as declared: Compose puts nothing in
    assert shop["entrypoint"][2].endswith("exec node shop.js --port 8200 --cash '$$5'")


def test_hosts_of_the_chain_are_its_groups(tmp_path: Path) -> None:
    hosts = {"m1": {"address": "10.9.8.7", "port": 7481, "links": ["issuer"]}}
    done = written(tmp_path, "compose", "brief.yaml", *IMAGES, hosts=hosts, allow=["10.9.8.0/24"])
    assert done.exit_code == 0, done.stderr
    chain = load_chain(str(tmp_path / "compose/chains/shop.yaml")).model
    host = chain.hosts["m1"]
    assert (host.address, host.port, host.engine) == ("links-m1", 7481, False)
    assert [str(network) for network in chain.allow] == ["10.213.0.0/24"]
    assert compose_in(tmp_path)["services"]["links-m1"]["command"][-2:] == ["--only", "m1"]


def test_secrets_are_for_their_owner_and_stay_when_files_are_written_again(tmp_path: Path) -> None:
    for command, secret in (("compose", ".env"), ("k8s", "secret.yaml")):
        assert written(tmp_path, command, "brief.yaml", *IMAGES).exit_code == 0
        path = tmp_path / command / secret
        first = path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600
        assert written(tmp_path, command, "brief.yaml", *IMAGES).exit_code == 0
        assert path.read_text() == first
        token = first.split("PAYCHAIN_TOKEN=")[-1].split("token: ")[-1].strip()
        assert len(token) > 40
        others = [each for each in (tmp_path / command).rglob("*") if each != path]
        assert not any(token in each.read_text() for each in others if each.is_file())


def test_a_service_is_built_from_its_folder_by_compose(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/Dockerfile").write_text("FROM node:24\n")
    service = {**SHOP, "cwd": "app"}
    assert written(tmp_path, "compose", "brief.yaml", service=service).exit_code == 0
    shop = compose_in(tmp_path)["services"]["shop"]
    assert (shop["image"], shop["build"]) == ("shop", {"context": "../app"})
    refused = written(tmp_path, "k8s", "brief.yaml", service=service)
    assert refused.exit_code == 2
    assert "a cluster does not build shop: it has no image" in refused.stderr


@pytest.mark.parametrize(
    ("words", "service", "message"),
    [
        ([], SHOP, "shop.yaml:8:5: no known image for shop: no Dockerfile in ."),
        ([], {"url": "http://127.0.0.1:8080"}, "add ports: {processor-a: 9101}"),
        (["--image", "shop"], SHOP, "--image 'shop' is not LINK=IMAGE"),
        (["--image", "ship=a"], SHOP, "'ship' is not one of the chain's own services"),
        ([*IMAGES, "--by", "roles"], SHOP, "--by: unknown 'roles'; did you mean 'role'?"),
        ([*IMAGES, "--subnet", "fe80::/64"], SHOP, "--subnet: 'fe80::/64' is neither"),
        ([*IMAGES, "--out", "shop.yaml"], SHOP, "name another folder with --out"),
    ],
)
def test_what_cannot_be_placed_is_refused_in_a_sentence(
    tmp_path: Path, words: list[str], service: dict[str, Any], message: str
) -> None:
    done = written(tmp_path, "compose", "brief.yaml", *words, service=service)
    assert (done.exit_code, message in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("command", ["compose", "k8s"])
@pytest.mark.parametrize("kind", ["crash", "freeze"])
@pytest.mark.parametrize("target", ["link: shop", "role: gateway"])
def test_a_service_in_a_container_is_not_stopped_by_the_run(
    tmp_path: Path, command: str, kind: str, target: str
) -> None:
    fault = f"{{at: 0s, for: 1s, target: {{{target}}}, {kind}: {{}}}}"
    declare(tmp_path, shop=own_shop(service=SHOP), brief=experiment(fault))
    refused = invoked(tmp_path, command, "shop.yaml", "brief.yaml", *IMAGES)
    assert refused.exit_code == 2
    assert f"shop has a container of its own, and the run cannot {kind} it" in refused.stderr
    assert "brief.yaml:" in refused.stderr
    assert not (tmp_path / command).exists()


def test_the_board_has_no_workers(tmp_path: Path) -> None:
    refused = written(tmp_path, "compose", "--workers", "2", *IMAGES)
    assert "the board has no workers; name an experiment" in refused.stderr
    assert written(tmp_path, "compose", *IMAGES).exit_code == 0
    run = compose_in(tmp_path)["services"]["run"]
    assert run["command"][:6] == ["load", "chains/shop.yaml", "--host", "0.0.0.0", "--port", "8089"]
    assert run["ports"] == ["127.0.0.1:8089:8089"]


def test_a_name_that_is_too_long_for_dns_keeps_its_beginning_and_stays_one_of_its_own() -> None:
    first, second = label("a" * 40, "links", "b" * 40), label("a" * 40, "links", "c" * 40)
    assert first != second
    assert {len(first), len(second)} == {63}
    assert label("", "links", "m1") == "links-m1"


@pytest.mark.parametrize("version", ["naive", "sound"])
def test_the_shop_of_the_examples_listens_where_health_checks_look(
    version: str, tmp_path: Path
) -> None:
    """Its container is probed from outside, and uvicorn listens at 127.0.0.1 by itself."""
    chain = load_chain(f"examples/shop-python/chain-{version}.yaml")
    (shop,) = own_containers(chain, tmp_path, {"shop": "registry.test/shop:1"}, 1)
    at = shop.command.index("--host")
    assert shop.command[at : at + 4] == ["--host", "0.0.0.0", "--port", str(shop.port)]
