"""paychain compose and paychain k8s: a chain as containers, in the files of other systems."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paychain.cli import names
from paychain.cli.options import ChainName, Map, Seed
from paychain.cli.say import say
from paychain.payments.errors import UserError

if TYPE_CHECKING:
    from paychain.placement.deployment import Deployment
    from paychain.placement.groups import GroupKey

OptionalExperiment = Annotated[
    str | None,
    typer.Argument(
        metavar="EXPERIMENT",
        help="experiment, by name or path; without it the live board runs in its place",
        autocompletion=names.experiments,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=64,
        help="containers that generate the load; 0: the run itself does, like the board; "
        "default: 1 with an experiment",
    ),
]
Grouped = Annotated[
    str,
    typer.Option(
        metavar="provider|role|link|chain",
        help="which links share a container, unless the chain declares hosts",
    ),
]
Image = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LINK=IMAGE",
        help="image of an own service; default: built from the Dockerfile in its folder; "
        "repeatable",
    ),
]
PaychainImage = Annotated[
    str, typer.Option(help="image of paychain; default: paychain: and this version")
]


def compose(
    chain: ChainName,
    experiment: OptionalExperiment = None,
    out: Annotated[Path, typer.Option(help="folder for the files")] = Path("compose"),
    by: Grouped = "provider",
    workers: Workers = None,
    image: Image = None,
    paychain_image: PaychainImage = "",
    subnet: Annotated[
        str,
        typer.Option(
            help="network of the containers; must not be used by anything else on this machine"
        ),
    ] = "10.213.0.0/24",
    seed: Seed = 1,
    map_: Map = None,
) -> None:
    """Write a Compose file: the run, groups of links with their engines, workers, own services.

    Example: paychain compose card-ecommerce processor-down --workers 2
    """
    from paychain.placement.folder import write_compose

    deployment = _deployment(
        chain,
        experiment,
        out,
        by=by,
        workers=workers,
        images=image or [],
        paychain_image=paychain_image,
        subnet=subnet,
        seed=seed,
        map_=map_ or [],
        is_prefixed=False,
    )
    _say(deployment, out, write_compose)
    say(f"next: cd {out} && docker compose up --detach && docker compose wait run")


def k8s(
    chain: ChainName,
    experiment: OptionalExperiment = None,
    out: Annotated[Path, typer.Option(help="folder for the files")] = Path("k8s"),
    by: Grouped = "provider",
    workers: Workers = None,
    image: Image = None,
    paychain_image: PaychainImage = "",
    subnet: Annotated[str, typer.Option(help="network of the cluster's pods")] = "10.0.0.0/8",
    seed: Seed = 1,
    map_: Map = None,
) -> None:
    """Write Kubernetes objects: jobs of the run and its workers, links, own services, a policy.

    Example: paychain k8s card-ecommerce processor-down --workers 4 --paychain-image reg/paychain:1
    """
    from paychain.placement.folder import write_kubernetes

    deployment = _deployment(
        chain,
        experiment,
        out,
        by=by,
        workers=workers,
        images=image or [],
        paychain_image=paychain_image,
        subnet=subnet,
        seed=seed,
        map_=map_ or [],
        is_prefixed=True,
    )
    _say(deployment, out, write_kubernetes)
    say(f"next: kubectl apply -f {out} && kubectl logs --follow job/{deployment.master}")


def _deployment(
    chain: str,
    experiment: str | None,
    out: Path,
    *,
    by: str,
    workers: int | None,
    images: list[str],
    paychain_image: str,
    subnet: str,
    seed: int,
    map_: list[str],
    is_prefixed: bool,
) -> Deployment:
    from importlib.metadata import version

    from paychain.model.loading import load_chain, load_experiment
    from paychain.model.renaming import read_names
    from paychain.placement.deployment import DeploymentOptions, deployment, read_images

    renamed = read_names(map_)
    loaded = load_chain(chain)
    declared = None
    if experiment is not None:
        declared = load_experiment(experiment, loaded.model, renamed)
    elif renamed:
        raise UserError(
            "--map needs an experiment: it renames links and providers there",
            hint="name an experiment",
        )
    wishes = DeploymentOptions(
        by=_by(by),
        workers=int(declared is not None) if workers is None else workers,
        seed=seed,
        images=read_images(images, loaded.model),
        image=paychain_image or f"paychain:{version('paychain')}",
        network=_network(subnet),
        names=renamed,
        prefix=loaded.model.chain if is_prefixed else "",
    )
    return deployment(loaded, declared, out, wishes)


def _by(text: str) -> GroupKey:
    from paychain.payments.errors import meant
    from paychain.placement.groups import GroupKey

    try:
        return GroupKey(text)
    except ValueError:
        raise UserError(f"--by: unknown '{text}'", hint=meant(text, list(GroupKey))) from None


def _network(text: str) -> IPv4Network:
    from paychain.model.reach import network

    try:
        return network(text)
    except ValueError as error:
        raise UserError(f"--subnet: {error}") from None


def _say(
    deployment: Deployment, out: Path, write: Callable[[Deployment, Path], Iterator[Path]]
) -> None:
    for path in write(deployment, out):
        say(f"written  {path}")
    for own in deployment.services:
        say(*own.notes)
