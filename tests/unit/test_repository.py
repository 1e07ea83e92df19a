"""The files of the repository that other tools read: versions, the action, the hooks."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PINNED = {
    canonicalize_name(name): version
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
    for name, _, version in [line.partition("==")]
}
OPTIONAL = {"async-solipsism"}  # only measured against, never with the tests
DECLARED = [
    Requirement(text)
    for texts in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for text in texts
    if not text.startswith("paychain")
]


def test_the_versions_that_were_tested_are_within_what_is_declared() -> None:
    for requirement in DECLARED:
        name = canonicalize_name(requirement.name)
        if name in OPTIONAL:
            continue
        assert name in PINNED, f"constraints.txt lacks {name}"
        assert requirement.specifier.contains(PINNED[name]), (name, PINNED[name])


def test_every_dependency_of_users_has_a_lower_bound() -> None:
    for text in PROJECT["dependencies"]:
        assert [part.operator for part in Requirement(text).specifier] == [">="], text


def test_no_input_of_the_action_is_part_of_a_command() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    used = set()
    for step in action["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        used |= set(re.findall(r"inputs\.([\w-]+)", str(step)))
    assert used == set(action["inputs"])


@pytest.mark.parametrize(
    ("folder", "is_taken"), [("chains", True), ("chaos", True), ("k8s", False)]
)
def test_the_hooks_take_the_files_of_their_folders(folder: str, is_taken: bool) -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    patterns = [hook["files"] for hook in hooks]
    assert any(re.search(pattern, f"{folder}/a/b.yaml") for pattern in patterns) is is_taken
    assert {hook["entry"] for hook in hooks} == {"paychain check"}
