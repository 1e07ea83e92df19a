"""What a workflow of `paychain init` installs: this copy, from where it came or from a wheel."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from paychain.cli import wheel
from paychain.cli.wheel import requirement, wheel_name, wheel_of_this_copy
from tests.support.cli import invoked

COMMIT = "0123456789abcdef0123456789abcdef01234567"
DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
GIT = {"vcs_info": {"vcs": "git", "commit_id": COMMIT}}


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (
            {"url": "https://git.example/pay.git", **GIT},
            f"paychain @ git+https://git.example/pay.git@{COMMIT}",
        ),
        (
            {"url": "https://me:secret@git.example/pay.git", "subdirectory": "a/b", **GIT},
            f"paychain @ git+https://git.example/pay.git@{COMMIT}#subdirectory=a/b",
        ),
        (
            {"url": "https://x.example/p.whl", "archive_info": {"hashes": {"sha256": DIGEST}}},
            f"paychain @ https://x.example/p.whl#sha256={DIGEST}",
        ),
        ({"url": "https://x.example/p.whl", "archive_info": {}}, None),
        ({"url": "ssh://git@git.example/pay.git", **GIT}, None),
        ({"url": "file:///home/me/paychain", "dir_info": {"editable": True}}, None),
        ({"url": "file:///tmp/p.whl", "archive_info": {"hashes": {"sha256": DIGEST}}}, None),
    ],
)
def test_what_is_on_the_web_is_installed_from_there(
    origin: dict[str, Any], expected: str | None
) -> None:
    assert requirement(json.dumps(origin)) == expected


def test_the_wheel_is_complete_and_its_record_is_right() -> None:
    data = wheel_of_this_copy()
    assert data == wheel_of_this_copy()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        (record,) = [name for name in names if name.endswith(".dist-info/RECORD")]
        rows = [row.rsplit(",", 2) for row in archive.read(record).decode().splitlines()]
        assert [row[0] for row in rows] == names
        for name, digest, size in rows[:-1]:
            content = archive.read(name)
            hashed = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            assert (digest, size) == (f"sha256={hashed.decode()}", str(len(content)))
    folder = record.partition("/")[0]
    assert {
        "paychain/cli/main.py",
        "paychain/cli/starter/shop.yaml",
        "paychain/shipped/chains/card-ecommerce.yaml",
        "paychain/shipped/chaos/faults/down.yaml",
        "paychain/shipped/docs/measures.md",
        f"{folder}/METADATA",
        f"{folder}/entry_points.txt",
        f"{folder}/licenses/LICENSE",
    } <= set(names)
    assert not [name for name in names if "__pycache__" in name]


def test_init_names_it_in_the_workflow_and_points_editors_to_schemas(tmp_path: Path) -> None:
    invoked(tmp_path, "init", "--ci", "gitlab")
    workflow = (tmp_path / ".gitlab-ci.yml").read_text()
    assert f"- pip install ./.paychain/{wheel_name()}\n" in workflow
    assert (tmp_path / ".paychain" / wheel_name()).is_file()
    for kind, file in (
        ("chain", "chains/shop.yaml"),
        ("experiment", "chaos/processor-outage.yaml"),
    ):
        first = (tmp_path / file).read_text().splitlines()[0]
        place = first.removeprefix("# yaml-language-server: $schema=")
        schema = json.loads(((tmp_path / file).parent / place).read_text())
        assert schema["$id"] == f"urn:paychain:schema:{kind}"


def test_a_copy_from_the_web_needs_no_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel, "origin", lambda: f"paychain @ git+https://git.example/p@{COMMIT}")
    invoked(tmp_path, "init", "--ci", "gitlab")
    workflow = (tmp_path / ".gitlab-ci.yml").read_text()
    assert f"- pip install 'paychain @ git+https://git.example/p@{COMMIT}'\n" in workflow
    assert not list(tmp_path.glob(".paychain/*.whl"))


@pytest.mark.parametrize("ci", ["github", "gitlab"])
@pytest.mark.parametrize("service", [(), ("--service", "npm start")])
def test_no_workflow_installs_a_bare_name(
    ci: str, service: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel, "wheel_of_this_copy", lambda: b"")
    invoked(tmp_path, "init", "--ci", ci, *service)
    texts = [path.read_text() for path in tmp_path.rglob("*.yml")]
    assert len(texts) == 1
    assert "@INSTALL@" not in texts[0]
    assert "pip install paychain" not in texts[0]
