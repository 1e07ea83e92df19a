"""A deployment as a Compose file (compose-spec)."""

from __future__ import annotations

from typing import Any

from paychain.placement.deployment import (
    BOARD_PORT,
    BOARD_TOKEN,
    MOUNTED,
    RESULTS,
    RUN,
    WORKER,
    Deployment,
)
from paychain.placement.groups import Group
from paychain.placement.own import FOLDER, OwnContainer
from paychain.processes.tokens import TOKEN_VARIABLE

NETWORK, OUTSIDE = "chain", "outside"
_PROBE = {"interval": "1s", "timeout": "5s", "retries": 60}
_OWN_PROBE = {"interval": "2s", "timeout": "5s", "retries": 60}
_LOCKED_DOWN = {
    "read_only": True,
    "tmpfs": ["/tmp"],  # noqa: S108  (in the container)
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
}


def compose(deployment: Deployment) -> dict[str, Any]:
    """The file's content."""
    services: dict[str, Any] = {RUN: _run(deployment)}
    for name, group in deployment.groups.items():
        services[name] = _links(deployment, name, group)
    if deployment.workers:
        services[WORKER] = _workers(deployment)
    for own in deployment.services:
        services[_unused(own.link, services)] = _own(own)
    return {
        "name": deployment.chain.chain,
        "services": services,
        "networks": _networks(deployment),
        "volumes": {RESULTS.strip("/"): {}},
    }


def _ours(deployment: Deployment, arguments: list[str]) -> dict[str, Any]:
    """What every container of ours has."""
    return {
        "image": deployment.image,
        "command": _literal(arguments),
        "working_dir": MOUNTED,
        **_LOCKED_DOWN,
        "init": True,
    }


def _mounts(deployment: Deployment) -> list[str]:
    folders = sorted({path.split("/", 1)[0] for path in deployment.files})
    return [f"./{folder}:{MOUNTED}/{folder}:ro" for folder in folders]


def _token(deployment: Deployment) -> dict[str, str]:
    if not deployment.is_spread:
        return {}
    return {TOKEN_VARIABLE: f"${{{TOKEN_VARIABLE}:?is in .env}}"}


def _run(deployment: Deployment) -> dict[str, Any]:
    found = {
        **_ours(deployment, deployment.run),
        "hostname": RUN,
        "environment": _token(deployment),
        "volumes": [*_mounts(deployment), f"{RESULTS.strip('/')}:{RESULTS}"],
        "networks": [NETWORK],
        "stop_grace_period": "1m",
    }
    if deployment.groups:
        found["depends_on"] = {name: {"condition": "service_healthy"} for name in deployment.groups}
    if not deployment.has_experiment:
        found["environment"][BOARD_TOKEN] = f"${{{BOARD_TOKEN}:?is in .env}}"
        found["ports"] = [f"127.0.0.1:{BOARD_PORT}:{BOARD_PORT}"]
        found["networks"] = [NETWORK, OUTSIDE]
    return found


def _links(deployment: Deployment, name: str, group: Group) -> dict[str, Any]:
    look = f"import urllib.request as r; r.urlopen('http://{name}:{group.port}/hello', timeout=4)"
    return {
        **_ours(deployment, deployment.up(group)),
        "hostname": name,
        "environment": _token(deployment),
        "volumes": _mounts(deployment),
        "networks": [NETWORK],
        "healthcheck": {"test": ["CMD", "python", "-c", look], **_PROBE},
        "restart": "unless-stopped",
    }


def _workers(deployment: Deployment) -> dict[str, Any]:
    return {
        **_ours(deployment, deployment.worker),
        "environment": _token(deployment),
        "volumes": _mounts(deployment),
        "networks": [NETWORK],
        "deploy": {"replicas": deployment.workers},
        "depends_on": {RUN: {"condition": "service_started"}},
        # One that comes before its master gives up, and comes again.
        "restart": "on-failure:30",
    }


def _own(own: OwnContainer) -> dict[str, Any]:
    found: dict[str, Any] = {"image": own.image}
    if own.build:
        found["build"] = {"context": own.build}
    if own.command:
        found["entrypoint"] = _literal(own.command)
    return {
        **found,
        "environment": {name: _escaped(value) for name, value in own.environment.items()},
        "network_mode": f"service:{RUN}",
        "tmpfs": [f"{FOLDER}:mode=1777"],
        "security_opt": ["no-new-privileges:true"],
        "depends_on": {RUN: {"condition": "service_started"}},
        "healthcheck": {"test": _test(own), **_OWN_PROBE},
    }


def _test(own: OwnContainer) -> list[str]:
    """What says that a service is ready, with what images usually have."""
    if own.ready.command is not None:
        return ["CMD", *_literal(own.ready.command)]
    url = f"http://127.0.0.1:{own.port}{own.ready.http or '/'}"
    # Without a path any answer will do: curl is content with one, and wget with its error.
    fails = "-f " if own.ready.http else ""
    any_answer = "" if own.ready.http else " 2>&1 | grep -q HTTP/"
    wget = f"wget -q -S -O /dev/null {url}{any_answer}"
    return ["CMD-SHELL", f"curl {fails}-s -o /dev/null {url} || {wget}"]


def _networks(deployment: Deployment) -> dict[str, Any]:
    """One that leads nowhere else: nothing here can reach a real provider."""
    chain = {
        "internal": True,
        "ipam": {"config": [{"subnet": str(deployment.network)}]},
    }
    return {NETWORK: chain} | ({} if deployment.has_experiment else {OUTSIDE: {}})


def _literal(words: list[str]) -> list[str]:
    return [_escaped(word) for word in words]


def _escaped(text: str) -> str:
    """Text in which Compose puts in no variables."""
    return text.replace("$", "$$")


def _unused(link: str, services: dict[str, Any]) -> str:
    return f"service-{link}" if link in services else link


HEADER = """\
# The chain {chain} in containers. Everything goes on until "down", except for the run, which ends.
#   docker compose up --detach
#   docker compose logs --follow {run}
#   docker compose wait {run}            # its exit code is that of paychain
#   docker compose cp {run}:{results} .
#   docker compose down --volumes
# The image of paychain: docker build --tag {image} . in its repository.
"""
BOARD_HEADER = """\
# The chain {chain} in containers, with the live board.
#   docker compose up --detach
#   docker compose logs {run}            # the address of the board, with its token
#   docker compose stop {run}            # saves the run
#   docker compose cp {run}:{results} .
#   docker compose down --volumes
# The image of paychain: docker build --tag {image} . in its repository.
"""


def header(deployment: Deployment) -> str:
    """How the file is used, as comments."""
    text = HEADER if deployment.has_experiment else BOARD_HEADER
    return text.format(
        chain=deployment.chain.chain, run=RUN, results=RESULTS, image=deployment.image
    )
