"""An own service in a container of its own, which shares the network of the run.

The near ends of its hops are on the run's loopback, at ports that are fixed here: so the service
learns them before the run begins, and nothing else of the network changes for it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paychain.environment.own.variables import Addresses, variables, webhook_secrets
from paychain.faults.kind import ProcessFaultKind
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.loading import Loaded
from paychain.model.places import links_of
from paychain.model.service import OwnService, Ready
from paychain.payments.errors import UserError
from paychain.payments.web_addresses import split_address
from paychain.processes.files import expanded
from paychain.processes.loopback import LOOPBACK

# A container's probe comes from outside it, and nothing else reaches its network.
ANY = "0.0.0.0"  # noqa: S104  (inside a container)
FOLDER = "/paychain-folder"  # an empty folder of its own
FIRST_PORT, FIRST_NEAR_PORT = 8200, 9100  # below those that a run assigns on its own


@dataclass(frozen=True, kw_only=True)
class OwnContainer:
    """One own service. `build`: the folder of its Dockerfile, where it has no image yet."""

    link: str
    image: str
    build: str
    command: list[str]  # empty: the image's own
    environment: dict[str, str]
    port: int
    ready: Ready
    declared: dict[str, Any]  # its `service:` in the chain's file of the run
    notes: list[str]  # what is different in a container


def own_containers(
    chain: Loaded[Chain], out: Path, images: Mapping[str, str], seed: int
) -> list[OwnContainer]:
    """A container for each own service. Raises UserError for what none can have."""
    near = _near_ports(chain.model)
    found = []
    for number, (link, service) in enumerate(chain.model.own_services().items()):
        _refuse(chain, link, service)
        port = _port(service) or FIRST_PORT + number
        image, build = _image(chain, link, service, images, out)
        filled = Addresses(
            (ANY, port),
            FOLDER,
            {callee: (LOOPBACK, near[link, callee]) for callee in chain.model.callees_of(link)},
            webhook_secrets(chain.model, link, seed),
        )
        found.append(
            OwnContainer(
                link=link,
                image=image,
                build=build,
                command=_command(service, filled),
                environment=variables(chain.model, link, filled) if service.is_started else {},
                port=port,
                ready=service.ready,
                declared=_declared(service, port, link, near),
                notes=list(_notes(link, service)),
            )
        )
    return found


def _near_ports(chain: Chain) -> dict[tuple[str, str], int]:
    """A fixed port for each hop out of an own service: as declared, or a free one."""
    own = chain.own_services()
    used = {port for service in own.values() for port in service.ports.values()}
    free = (port for port in range(FIRST_NEAR_PORT, 20_000) if port not in used)
    return {
        (link, callee): service.ports.get(callee) or next(free)
        for link, service in own.items()
        for callee in chain.callees_of(link)
    }


def _port(service: OwnService) -> int | None:
    return service.port if service.url is None else split_address(service.url).port


def _declared(
    service: OwnService, port: int, link: str, near: Mapping[tuple[str, str], int]
) -> dict[str, Any]:
    """To the run the service is one that runs already."""
    ports = {callee: at for (caller, callee), at in near.items() if caller == link}
    ready: dict[str, Any] = {"within": f"{service.ready.within:g}s"}
    if service.ready.http is not None:
        ready["http"] = service.ready.http
    return {"url": f"http://{LOOPBACK}:{port}", "ports": ports, "ready": ready}


def _command(service: OwnService, filled: Addresses) -> list[str]:
    if service.app is not None:
        host, port = filled.own
        words = ["python", "-m", "uvicorn", service.app, "--host", host, "--port", str(port)]
    else:
        words = [filled.filled(word) for word in service.command or ()]
    if not service.before or not words:
        return words
    steps = [[filled.filled(word) for word in command] for command in service.before]
    before = " && ".join(shlex.join(step) for step in steps)
    return ["sh", "-c", f"{before} && exec {shlex.join(words)}"]


def _image(
    chain: Loaded[Chain], link: str, service: OwnService, images: Mapping[str, str], out: Path
) -> tuple[str, str]:
    """The image, and the folder to build it from, or ""."""
    if link in images:
        return images[link], ""
    folder = chain.path.parent / expanded(service.cwd)
    if service.is_started and (folder / "Dockerfile").is_file():
        return link, Path(os.path.relpath(folder, out)).as_posix()
    where = f"no Dockerfile in {folder}" if service.is_started else f"it runs at {service.url}"
    raise UserError(
        f"no known image for {link}: {where}",
        where=chain.place("links", link, "service"),
        hint=f"name one: --image {link}=IMAGE",
    )


def _refuse(chain: Loaded[Chain], link: str, service: OwnService) -> None:
    """Raises UserError for what a service gets from its run only when that has started it."""
    secure = [each for each in chain.model.callees_of(link) if chain.model.links[each].tls]
    if secure:
        raise UserError(
            f"{link} calls {secure[0]} by https, with a certificate that exists only during "
            "the run",
            where=chain.place("links", secure[0], "tls"),
            hint="remove tls:, or start the service with paychain run",
        )
    if service.proxy:
        raise UserError(
            f"{link} reaches links through a proxy that exists only during the run",
            where=chain.place("links", link, "service", "proxy"),
            hint="give it the addresses with {url:LINK} in env:",
        )


def refuse_stopping(chain: Chain, experiment: Loaded[Experiment]) -> None:
    """Raise UserError for a fault that would stop an own service: the run did not start it."""
    own = chain.own_services()
    for number, fault in enumerate(experiment.model.faults):
        if not isinstance(fault.parameters, ProcessFaultKind):
            continue
        for link in links_of(chain, fault):
            if link in own:
                raise UserError(
                    f"{link} has a container of its own, and the run cannot {fault.kind} it",
                    where=experiment.place("faults", number),
                    hint="inject down into the link, or start it with paychain run",
                )


def _notes(link: str, service: OwnService) -> Iterator[str]:
    if service.telemetry:
        yield f"{link}: its traces are not received from a container"
    if service.ready.log is not None:
        yield f"{link}: its output is not read; it counts as ready once its port is open"
    if service.ready.command is not None:
        yield f"{link}: it counts as ready once its port is open"
    if service.restart == "always":
        yield f"{link}: its container is restarted when it ends, and the run does not notice"
