"""Writes a deployment into a folder: the file of one system, secrets, and what containers mount."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from paychain.payments.errors import UserError
from paychain.placement import compose as composing
from paychain.placement import kubernetes
from paychain.placement.deployment import Deployment, check_written
from paychain.processes.files import write_atomically
from paychain.processes.tokens import new_token

COMPOSE, KUBERNETES, SECRET, DOTENV = "compose.yaml", "paychain.yaml", "secret.yaml", ".env"
PRIVATE = 0o600


class _Dumper(yaml.SafeDumper):
    """Values that stand twice are written twice, and text of several lines as a block."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless  # items of a list stand deeper than their key
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dumped(documents: list[dict[str, Any]]) -> str:
    """YAML of one or several documents."""
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def write_compose(deployment: Deployment, folder: Path) -> Iterator[Path]:
    """Write the file, what it mounts and `.env`; each path as it is written. Raises UserError."""
    text = composing.header(deployment) + dumped([composing.compose(deployment)])
    yield _write(folder / COMPOSE, text)
    for path, content in deployment.files.items():
        yield _write(folder / path, content)
    check_written(folder, deployment)
    values = _new_secrets(deployment)
    # One that exists may be in use, and may have been given another value by hand.
    if values and not (folder / DOTENV).exists():
        lines = "".join(f"{name}={value}\n" for name, value in values.items())
        yield _write_private(folder / DOTENV, lines)


def write_kubernetes(deployment: Deployment, folder: Path) -> Iterator[Path]:
    """Write the objects and their secret; each path as it is written. Raises UserError."""
    objects = kubernetes.Manifests(deployment)
    yield _write(folder / KUBERNETES, kubernetes.header(deployment) + dumped(objects.all()))
    values = _new_secrets(deployment)
    if values and not (folder / SECRET).exists():
        yield _write_private(folder / SECRET, dumped([objects.secret(values)]))


def _new_secrets(deployment: Deployment) -> dict[str, str]:
    return {variable: new_token() for variable in deployment.secrets}


def _write(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    except OSError as error:
        what = f"cannot write {path}: {error.strerror}"
        raise UserError(what, hint="name another folder with --out") from None
    return path


def _write_private(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(PRIVATE, exist_ok=False)
        path.write_text(text, "utf-8")
    except OSError as error:
        what = f"cannot write {path}: {error.strerror}"
        raise UserError(what, hint="name another folder with --out") from None
    return path
