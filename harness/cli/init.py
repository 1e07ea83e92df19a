"""paychain init: a chain, an experiment, a test and a CI workflow to start from."""

from __future__ import annotations

from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from harness.payments.errors import UserError


class Ci(StrEnum):
    """Whose workflow is written."""

    GITHUB = "github"
    GITLAB = "gitlab"
    NONE = "none"


_FILES = {
    "shop.yaml": "chains/shop.yaml",
    "processor-outage.yaml": "chaos/processor-outage.yaml",
    "test_payments.py": "tests/test_payments.py",
}
_WORKFLOWS = {
    Ci.GITHUB: ("github.yaml", ".github/workflows/paychain.yml"),
    Ci.GITLAB: ("gitlab.yaml", ".gitlab-ci.yml"),
}


def init(
    folder: Annotated[Path, typer.Argument(help="your repository")] = Path(),
    ci: Annotated[Ci, typer.Option(help="the CI workflow to write")] = Ci.GITHUB,
) -> None:
    """Write files to start from; nothing that exists is overwritten.

    Example: paychain init my-repository
    """
    wanted = dict(_FILES)
    if ci in _WORKFLOWS:
        source, place = _WORKFLOWS[ci]
        wanted[source] = place
    for source, place in wanted.items():
        path = folder / place
        if path.exists():
            print(f"kept     {path}")
            continue
        text = resources.files(__package__).joinpath(f"starter/{source}").read_text("utf-8")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        except OSError as error:
            what = f"cannot write {path}: {error.strerror}"
            raise UserError(what, mend="name another folder") from None
        print(f"written  {path}")
    there = [f"cd {folder}"] if folder != Path() else []
    files = "chains/shop.yaml chaos/processor-outage.yaml"
    commands = [*there, f"paychain check {files}", f"paychain run {files}", "pytest chaos tests"]
    print("\nnext: " + "\n      ".join(commands))
