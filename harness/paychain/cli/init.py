"""paychain init: a chain, experiments, a test and a CI workflow to start from."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from paychain.cli import names
from paychain.cli.options import given
from paychain.cli.say import say
from paychain.payments.errors import UserError, meant


class Ci(StrEnum):
    """CI systems that a workflow can be written for."""

    GITHUB = "github"
    GITLAB = "gitlab"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class _Starter:
    """What is written: files in starter/ by where they go, a workflow by CI system.

    `beside_workflows`: files that only a workflow uses. `next_steps`: what to do with it, `{chain}`
    and `{experiment}` filled in.
    """

    files: dict[str, str]
    workflows: dict[Ci, str]
    beside_workflows: dict[str, str]
    chain: str
    experiment: str
    next_steps: tuple[str, ...]


# What a repository keeps of ours: schemas for editors; a wheel and pytest's settings for CI. Below
# chaos/ those would also count for `pytest chaos`, and make chaos/ the root.
_FOLDER = ".paychain"
_WORKFLOW = {Ci.GITHUB: ".github/workflows/paychain.yml", Ci.GITLAB: ".gitlab-ci.yml"}
# By which variables a service finds its provider, where an address and a secret are not it.
_ENV = {
    "adyen": {"ADYEN_API_BASE": "{url:provider}/v72", "ADYEN_HMAC_KEY": "{secret:provider}"},
    "braintree": {
        "BRAINTREE_HOST": "{host:provider}",
        "BRAINTREE_PORT": "{port:provider}",
        "BRAINTREE_PUBLIC_KEY": "paychain",
        "BRAINTREE_PRIVATE_KEY": "{secret:provider}",
    },
    "paypal": {"PAYPAL_API_BASE": "{url:provider}", "PAYPAL_WEBHOOK_ID": "{secret:provider}"},
}
_MOCKS = _Starter(
    files={
        "chains/shop.yaml": "shop.yaml",
        "chaos/processor-outage.yaml": "processor-outage.yaml",
        "chaos/test_payments.py": "test_payments.py",
    },
    workflows={Ci.GITHUB: "github.yaml", Ci.GITLAB: "gitlab.yaml"},
    beside_workflows={f"{_FOLDER}/pytest.ini": "pytest.ini"},
    chain="chains/shop.yaml",
    experiment="chaos/processor-outage.yaml",
    next_steps=(
        "paychain check {chain} {experiment}",
        "paychain run {chain} {experiment}",
        "paychain explore {chain}",
        "pytest chaos",
    ),
)
_OWN = _Starter(
    files={
        "chains/own-service.yaml": "own-service.yaml",
        "chaos/answers-lost.yaml": "own-answers-lost.yaml",
        "chaos/provider-down.yaml": "own-provider-down.yaml",
    },
    workflows={Ci.GITHUB: "own-github.yaml", Ci.GITLAB: "own-gitlab.yaml"},
    beside_workflows={},
    chain="chains/own-service.yaml",
    experiment="chaos/answers-lost.yaml",
    next_steps=(
        "edit {chain} where it is marked with <-: how your service is reached and paid",
        "paychain check {chain} {experiment}",
        "paychain run {chain} {experiment}",
    ),
)


def init(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="folder of your repository")
    ] = Path(),
    ci: Annotated[Ci, typer.Option(help="CI system to write a workflow for")] = Ci.GITHUB,
    service: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND", help='command that starts your own service there: "npm start"'
        ),
    ] = None,
    dialect: Annotated[
        str,
        typer.Option(
            help="with --service: whose API the service calls", autocompletion=names.dialects
        ),
    ] = "stripe",
) -> None:
    """Write a chain, experiments and a CI workflow to start from; existing files are kept.

    With --service, the chain has your own service in front of a mock of its payment provider.

    Example: paychain init my-repository --service "npm start" --dialect adyen
    """
    from paychain.cli.wheel import origin, wheel_name, wheel_of_this_copy

    if service is None and given(context, ("dialect",)):
        raise UserError(
            "--dialect is whose API your own service calls", hint='add --service "npm start"'
        )
    values = {}
    starter = _MOCKS
    if service is not None:
        starter, values = _OWN, _values(service, dialect)
    files = {**starter.files, ".gitignore": "gitignore"}
    wheel = None
    if ci in starter.workflows:
        files |= {_WORKFLOW[ci]: starter.workflows[ci], **starter.beside_workflows}
        # Never a bare name: its owner on an index could run code in the user's CI.
        found = origin()
        wheel = f"{_FOLDER}/{wheel_name()}" if found is None else None
        values["@INSTALL@"] = f"./{wheel}" if found is None else shlex.quote(found)
    for target, source in files.items():
        _write(folder, target, _starter(source, values))
    for kind in ("chain", "experiment"):
        _write(folder, f"{_FOLDER}/{kind}.schema.json", _schema(kind))
    if wheel is not None:
        _write(folder, wheel, wheel_of_this_copy())
    steps = [f"cd {folder}"] if folder != Path() else []
    steps += [
        step.format(chain=starter.chain, experiment=starter.experiment)
        for step in starter.next_steps
    ]
    print("\nnext: " + "\n      ".join(steps))


def _values(service: str, dialect: str) -> dict[str, str]:
    """What stands in the places of a starter file."""
    from paychain.protocol.dialects.vendors import VENDORS

    if dialect not in VENDORS:
        raise UserError(f"unknown dialect '{dialect}'", hint=meant(dialect, VENDORS))
    try:
        words = shlex.split(service)
    except ValueError as error:
        raise UserError(f"--service cannot be read: {error}") from None
    if not words:
        raise UserError("--service names no command", hint='--service "npm start"')
    env = _ENV.get(dialect) or {
        f"{dialect.upper()}_API_BASE": "{url:provider}",
        f"{dialect.upper()}_WEBHOOK_SECRET": "{secret:provider}",
    }
    return {
        # JSON is YAML: no quote or brace of the command is lost.
        "@COMMAND@": json.dumps(words, ensure_ascii=False),
        "@DIALECT@": dialect,
        "@ENV@": "\n        ".join(f'{name}: "{value}"' for name, value in env.items()),
    }


def _schema(kind: str) -> str:
    from paychain.model.schemas import schema_of

    return json.dumps(schema_of(kind), indent=1, ensure_ascii=False) + "\n"


def _starter(source: str, values: dict[str, str]) -> str:
    text = resources.files(__package__).joinpath(f"starter/{source}").read_text("utf-8")
    for place, value in values.items():
        text = text.replace(place, value)
    return text


def _write(folder: Path, target: str, content: str | bytes) -> None:
    path = folder / target
    data = content.encode() if isinstance(content, str) else content
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        what = f"cannot write {path}: a link leads out of {folder.resolve()}"
        raise UserError(what, hint="name the folder where it leads, or remove the link")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:  # a link that leads nowhere counts as a file, too
                file.write(data)
        except FileExistsError:
            say(f"kept     {path}")
            return
    except OSError as error:
        what = f"cannot write {path}: {error.strerror}"
        raise UserError(what, hint="name another folder") from None
    say(f"written  {path}")
