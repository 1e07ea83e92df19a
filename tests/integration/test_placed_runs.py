"""What `paychain compose` writes, as processes: each container is a network namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.chains import experiment
from tests.support.cli import PAYCHAIN, environment, invoked
from tests.support.own_chains import COMMAND, PROVIDERS, own_shop
from tests.support.runs import declare, result_in
from tests.support.waiting import wait_until

IP = shutil.which("ip") or "/usr/sbin/ip"
SUBNET = "10.213.7.0/24"
CHAIN = own_shop(
    service={
        "command": COMMAND,
        "env": {**PROVIDERS, "SHOP_TIMEOUT_S": "20"},
        "ready": {"http": "/health", "within": "90s"},
    },
    deadline="30s",
)


def _ip(*words: str) -> None:
    subprocess.run([IP, *words], check=True, capture_output=True)


class Containers:
    """The services of a Compose file that have a network of their own, on one bridge."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: dict[str, Any] = yaml.safe_load((folder / "compose.yaml").read_text())
        self.services: dict[str, Any] = self._file["services"]
        (config,) = self._file["networks"]["chain"]["ipam"]["config"]
        free = ip_network(config["subnet"]).hosts()
        self._gateway = str(next(free))
        self._addresses = {
            name: str(next(free))
            for name, service in self.services.items()
            if "network_mode" not in service
        }
        self._mark = f"pc{os.getpid()}"
        self._bridge = f"{self._mark}b"

    def _space(self, name: str) -> str:
        return f"{self._mark}-{list(self._addresses).index(name)}"

    def __enter__(self) -> Containers:
        with ExitStack() as undo:
            undo.callback(self._remove)
            try:
                _ip("link", "add", self._bridge, "type", "bridge")
                _ip("addr", "add", f"{self._gateway}/24", "dev", self._bridge)
                _ip("link", "set", self._bridge, "up")
                for number, (name, address) in enumerate(self._addresses.items()):
                    space, here, there = self._space(name), f"{self._mark}{number}h", "eth0"
                    _ip("netns", "add", space)
                    _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", space)
                    _ip("link", "set", here, "master", self._bridge, "up")
                    _ip("-n", space, "addr", "add", f"{address}/24", "dev", there)
                    _ip("-n", space, "link", "set", there, "up")
                    _ip("-n", space, "link", "set", "lo", "up")
                    self._name_them(space)
            except (subprocess.CalledProcessError, OSError) as error:
                pytest.skip(f"no network namespaces here: {error}")
            undo.pop_all()
        return self

    def _name_them(self, space: str) -> None:
        """What Docker's name service knows."""
        hosts = Path("/etc/netns") / space / "hosts"
        hosts.parent.mkdir(parents=True)
        lines = [f"{address} {name}" for name, address in self._addresses.items()]
        hosts.write_text("\n".join(["127.0.0.1 localhost", *lines, ""]))

    def __exit__(self, *_: object) -> None:
        self._remove()

    def _remove(self) -> None:
        for name in self._addresses:
            space = self._space(name)
            subprocess.run([IP, "netns", "del", space], check=False, capture_output=True)
            shutil.rmtree(Path("/etc/netns") / space, ignore_errors=True)
        subprocess.run([IP, "link", "del", self._bridge], check=False, capture_output=True)

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """The command of a container, with its folders where they are here."""
        service = self.services[name]
        _, token = (self._folder / ".env").read_text().strip().split("=", 1)
        if "entrypoint" in service:
            words, variables = service["entrypoint"], service["environment"]
        else:
            arguments = [word.replace("/results", "results") for word in service["command"]]
            words, variables = [*PAYCHAIN, *arguments], {"PAYCHAIN_TOKEN": token}
        # A service in the network of the run has its loopback.
        space = self._space(service.get("network_mode", f":{name}").partition(":")[2])
        with (self._folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [IP, "netns", "exec", space, *words],
                cwd=self._folder,
                env=environment(**variables),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log(self, name: str) -> str:
        """What a container has written so far."""
        return (self._folder / f"{name}.log").read_text()

    def has_master(self) -> bool:
        """Whether the run waits for its workers."""
        log = self.log("run")
        return "waiting for" in log

    def is_healthy(self, name: str) -> bool:
        """What its health check says."""
        kind, *test = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        looked = subprocess.run(
            [IP, "netns", "exec", self._space(name), *test], check=False, capture_output=True
        )
        return looked.returncode == 0


@pytest.fixture
def written(tmp_path: Path) -> Path:
    if os.geteuid() != 0 or not Path(IP).exists():
        pytest.skip("needs root and iproute2 for network namespaces")
    tolerances = '{technical_success: ">= 99%", double_charges: 0}'
    fault = "{id: late, at: 0s, for: 1s, target: {link: issuer}, latency: {delay: 20ms}}"
    declare(tmp_path, shop=CHAIN, brief=experiment(fault, tolerances=tolerances))
    words = ["compose", "shop.yaml", "brief.yaml", "--by", "role", "--subnet", SUBNET]
    words += ["--image", "shop=shop:1"]
    assert invoked(tmp_path, *words).exit_code == 0
    return tmp_path / "compose"


@pytest.mark.slow
@pytest.mark.long(40)
@pytest.mark.timeout(600)
def test_the_containers_of_a_compose_file_do_the_run(written: Path) -> None:
    with ExitStack() as undo, Containers(written) as containers:
        issuers = containers.start("links-issuer")
        undo.callback(issuers.wait)
        undo.callback(issuers.terminate)
        # Each look at its health is a process of its own.
        wait_until(lambda: "wait for a run" in containers.log("links-issuer"), "the links")
        wait_until(lambda: containers.is_healthy("links-issuer"), "the links are healthy")
        started = {}
        for name in ("run", "shop", "worker"):
            if name == "worker":  # one that comes too early gives up, and Compose restarts it
                wait_until(containers.has_master, "the master listens", within_s=120)
            started[name] = containers.start(name)
            undo.callback(started[name].wait)
            undo.callback(started[name].kill)
        started["run"].wait(120)
        assert started["worker"].wait(60) == 0, containers.log("worker")
    log = (written / "run.log").read_text()
    (folder,) = (written / "results").iterdir()
    result = result_in(folder)
    assert result["load"]["recorded"] == result["load"]["planned"] > 0, log
    (host,) = result["hosts"]
    assert (host["name"], host["links"]) == ("issuer", ["issuer"])
    assert host["address"].startswith("10.213.7.")
    assert set(result["money"]["books"]) >= {"processor-a", "issuer"}
    assert [fault["hits"] > 0 for fault in result["faults"]] == [True]
