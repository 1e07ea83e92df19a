"""The files of the repository that other tools read: versions, the action, the hooks."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from importlib import resources
from typing import Any, get_args

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from paychain.faults.kinds import KINDS
from paychain.model.provider import ProviderKind
from paychain.model.roles import ROLES
from tests.support.paths import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
RELEASE = ROOT / ".github/workflows/release.yml"
PINNED = {
    canonicalize_name(name): version
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
    for name, _, version in [line.partition("==")]
}
# Only measured against, or for the docs site: never with the tests.
OPTIONAL = {"async-solipsism", "zensical"}
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


def test_the_release_is_a_workflow_that_github_takes() -> None:
    schema = resources.files("check_jsonschema").joinpath(
        "builtin_schemas/vendor/github-workflows.json"
    )
    # `on:` is a key for GitHub, and true for YAML 1.1.
    release = yaml.load(RELEASE.read_text("utf-8"), Loader=yaml.BaseLoader)
    jsonschema.validate(with_numbers(release), json.loads(schema.read_text("utf-8")))


def test_a_release_is_tested_on_every_python_that_is_named_and_published_without_a_password() -> (
    None
):
    jobs = yaml.safe_load(RELEASE.read_text("utf-8"))["jobs"]
    named = [each.rpartition(" :: ")[2] for each in PROJECT["classifiers"] if ":: 3." in each]
    assert jobs["test"]["strategy"]["matrix"]["python"] == named
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in RELEASE.read_text("utf-8")
    used = [step.get("uses", "") for job in jobs.values() for step in job["steps"]]
    attested = ("attest-build-provenance", "attest-sbom")
    assert all(any(name in use for use in used) for name in attested)
    # What comes from outside, a tag for instance, reaches a shell as a variable alone.
    runs = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert not [run for run in runs if "${{" in run]


def with_numbers(value: Any) -> Any:
    """Values that BaseLoader left as text and that are meant otherwise."""
    if isinstance(value, dict):
        return {key: with_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [with_numbers(each) for each in value]
    if value in ("true", "false"):
        return value == "true"
    return int(value) if str(value).isdigit() else value


@pytest.mark.parametrize(
    ("folder", "is_taken"), [("chains", True), ("chaos", True), ("k8s", False)]
)
def test_the_hooks_take_the_files_of_their_folders(folder: str, is_taken: bool) -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    patterns = [hook["files"] for hook in hooks]
    assert any(re.search(pattern, f"{folder}/a/b.yaml") for pattern in patterns) is is_taken
    assert {hook["entry"] for hook in hooks} == {"paychain check"}


def test_an_image_is_built_with_all_that_the_wheel_contains() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {path.split("/")[0] for path in (*wheel["packages"], *wheel["force-include"])}
    copied = re.findall(r"^COPY (\w+) \1$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    sent = re.findall(r"^!(\w+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE)
    assert needed <= set(copied)
    assert needed <= set(sent)


def test_every_test_that_a_page_names_is_there() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    named = {
        name
        for page in pages
        for name in re.findall(r"\btests/[a-z0-9_/]+\.py\b", page.read_text("utf-8"))
    }
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize(
    ("begins", "ends", "known"),
    [
        ("| where | faults |", "| shape |", KINDS),
        ("Roles: ", "Kinds of provider: ", ROLES),
        ("Kinds of provider: ", "; ", get_args(ProviderKind)),
    ],
    ids=["fault kinds", "roles", "kinds of provider"],
)
def test_the_readme_lists_what_can_be_declared(
    begins: str, ends: str, known: Iterable[str]
) -> None:
    _, _, rest = (ROOT / "README.md").read_text("utf-8").partition(begins)
    listed, _, _ = rest.partition(ends)
    assert sorted(re.findall(r"`([a-z_]+)`", listed)) == sorted(known)
