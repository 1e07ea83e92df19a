"""What runs where, before it is written for one system: containers, arguments, files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path, PurePosixPath

from paychain.declaration.reading import read_bounded
from paychain.model.adapters import adapter_files
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.loading import Loaded, load_chain
from paychain.model.renaming import Names
from paychain.model.replay import MAX_BYTES
from paychain.payments.errors import UserError
from paychain.placement.groups import Group, GroupKey, groups_of
from paychain.placement.own import ANY, OwnContainer, own_containers, refuse_stopping
from paychain.placement.rewriting import Rewriting
from paychain.processes.tokens import TOKEN_VARIABLE

RUN, WORKER, LINKS = "run", "worker", "links"  # names of containers
MOUNTED = "/paychain"  # where a container has the files
RESULTS = "/results"
BOARD_TOKEN = "PAYCHAIN_BOARD_TOKEN"  # noqa: S105  (the name of a variable)
MASTER_PORT, BOARD_PORT = 5557, 8089
AWAITED = "5m"  # an image may have to be pulled
MAX_WORKERS = 64
MAX_LABEL = 63  # of DNS
_SHORT = 54  # leaves room for a digest


@dataclass(frozen=True, kw_only=True)
class DeploymentOptions:
    """What the user chose."""

    by: GroupKey = GroupKey.PROVIDER
    workers: int = 1
    seed: int = 1
    images: Mapping[str, str] = field(default_factory=dict)  # of own services, by link
    image: str  # paychain's own
    network: IPv4Network  # in which containers find each other
    names: Names = field(default_factory=dict)
    prefix: str = ""  # of names that others of the same cluster may have, too


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A chain, and an experiment or the board, as containers."""

    chain: Chain
    has_experiment: bool
    image: str
    run: list[str]  # arguments of paychain
    workers: int
    groups: dict[str, Group]  # by the names under which the run finds them
    services: list[OwnContainer]
    network: IPv4Network
    master: str  # the name under which workers find the run
    chain_file: str  # below MOUNTED
    files: dict[str, str]  # what lies below MOUNTED, by path

    def up(self, group: Group) -> list[str]:
        """Arguments of paychain in the container of a group."""
        return ["up", self.chain_file, "--only", group.name]

    @property
    def worker(self) -> list[str]:
        """Arguments of paychain in the container of a worker."""
        return ["worker", "--master", f"{self.master}:{MASTER_PORT}"]

    @property
    def is_spread(self) -> bool:
        """Whether machines of the run reach each other, so that they need a token."""
        return bool(self.groups or self.workers)

    @property
    def secrets(self) -> list[str]:
        """The variables that a container of ours takes from a secret."""
        found = [TOKEN_VARIABLE] if self.is_spread else []
        return found if self.has_experiment else [*found, BOARD_TOKEN]


def deployment(
    chain: Loaded[Chain],
    experiment: Loaded[Experiment] | None,
    out: Path,
    wishes: DeploymentOptions,
) -> Deployment:
    """The containers of a chain; without an experiment the board takes its place.

    `out`: the folder of the files that are written. Raises UserError for what cannot be placed.
    """
    if wishes.workers and experiment is None:
        raise UserError("the board has no workers", hint="name an experiment, or use --workers 0")
    groups = {
        label(wishes.prefix, LINKS, group.name): group
        for group in groups_of(chain.model, wishes.by)
    }
    services = own_containers(chain, out, wishes.images, wishes.seed)
    chain_file = f"chains/{chain.path.name}"
    files = {chain_file: _placed(chain, groups, services, wishes)} | _adapters(chain)
    master = label(wishes.prefix, RUN)
    if experiment is None:
        run = ["load", chain_file, "--host", ANY, "--port", str(BOARD_PORT)]
    else:
        refuse_stopping(chain.model, experiment)
        experiment_file = f"chaos/{experiment.path.name}"
        files |= {experiment_file: experiment.text} | _recorded(experiment)
        run = ["run", chain_file, experiment_file]
        run += [word for theirs, ours in wishes.names.items() for word in _map(theirs, ours)]
    run += ["--out", RESULTS, "--seed", str(wishes.seed)]
    if wishes.workers:
        run += ["--workers", str(wishes.workers), "--master", f"{master}:{MASTER_PORT}"]
    return Deployment(
        chain=chain.model,
        has_experiment=experiment is not None,
        image=wishes.image,
        run=run,
        workers=wishes.workers,
        groups=groups,
        services=services,
        network=wishes.network,
        master=master,
        chain_file=chain_file,
        files=files,
    )


def label(*parts: str) -> str:
    """A label of DNS made of some words; one that is too long ends with a digest of them."""
    text = "-".join(part for part in parts if part)
    if len(text) <= MAX_LABEL:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[: MAX_LABEL - _SHORT - 1]
    return f"{text[:_SHORT].rstrip('-')}-{digest}"


def _map(theirs: str, ours: str) -> list[str]:
    return ["--map", f"{theirs}={ours}"]


def _placed(
    chain: Loaded[Chain],
    groups: Mapping[str, Group],
    services: Sequence[OwnContainer],
    wishes: DeploymentOptions,
) -> str:
    """The chain's file with its links at the names of their containers."""
    text = Rewriting(chain.text)
    if groups or wishes.workers:
        text.put("allow", [str(wishes.network)])
    if groups:
        text.put(
            "hosts",
            {
                group.name: {
                    "address": name,
                    "port": group.port,
                    "links": list(group.links),
                    "engine": group.has_engine,
                    "within": AWAITED,
                }
                for name, group in groups.items()
            },
        )
    for service in services:
        text.set(("links", service.link, "service"), service.declared)
    return text.text()


def check_written(folder: Path, written: Deployment) -> None:
    """Raises UserError when the written chain is not one that can run."""
    load_chain(str(folder / written.chain_file))


def _adapters(chain: Loaded[Chain]) -> dict[str, str]:
    home = chain.path.parent
    return {
        f"chains/{_below(home / file, home)}": read_bounded(home / file, MAX_BYTES).decode()
        for file in adapter_files(chain.model)
    }


def _recorded(experiment: Loaded[Experiment]) -> dict[str, str]:
    arrivals = experiment.model.load.arrivals
    recorded = arrivals.recorded if arrivals is not None else None
    if recorded is None:
        return {}
    # A run looks for it beside the experiment, too.
    return {f"chaos/{recorded.path.name}": read_bounded(recorded.path, MAX_BYTES).decode()}


def _below(path: Path, home: Path) -> PurePosixPath:
    try:
        relative = path.resolve().relative_to(home.resolve())
    except ValueError:
        raise UserError(
            f"{path} is outside the folder of the chain", hint="put it beside the chain's file"
        ) from None
    return PurePosixPath(relative)


_IMAGE = re.compile(r"[^\s=]+")


def read_images(words: Sequence[str], chain: Chain) -> dict[str, str]:
    """The images of own services, by link, as `LINK=IMAGE`. Raises UserError."""
    own = chain.own_services()
    found: dict[str, str] = {}
    for word in words:
        link, equals, image = word.partition("=")
        if not equals or _IMAGE.fullmatch(image) is None:
            raise UserError(f"--image '{word}' is not LINK=IMAGE", hint="--image shop=shop:1.0")
        if link not in own:
            known = ", ".join(own) or "none"
            raise UserError(
                f"'{link}' is not one of the chain's own services", hint=f"there are: {known}"
            )
        found[link] = image
    return found
