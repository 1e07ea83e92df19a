"""A file that somebody else reads is whole, or the one from before."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from paychain.payments.errors import UserError, sentence_of
from paychain.processes import files
from paychain.processes.files import (
    expanded,
    make_folder,
    refuse_unwritable,
    write_atomically,
)


class Plan(msgspec.Struct):
    port: int


@pytest.mark.parametrize(
    ("content", "written"),
    [
        (b"\x00\xff", b"\x00\xff"),
        ("1,00 €\n", "1,00 €\n".encode()),
        (Plan(1), b'{"port":1}'),
        ([Plan(1), Plan(2)], b'[{"port":1},{"port":2}]'),
        ("", b""),
    ],
)
def test_bytes_text_and_structs_are_written(
    tmp_path: Path, content: object, written: bytes
) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b"from before, and longer than what comes")
    write_atomically(path, content)
    assert path.read_bytes() == written
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    path, texts = tmp_path / "state", [letter * 1_000_000 for letter in "ab"]
    write_atomically(path, texts[0])
    is_over = threading.Event()

    def write() -> None:
        while not is_over.is_set():
            for text in texts:
                write_atomically(path, text)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        assert all(path.read_text() in texts for _ in range(200))
    finally:
        is_over.set()
        writing.join()


def test_when_it_fails_the_old_file_stays_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "plan"
    path.write_text("old")
    with pytest.raises(TypeError):
        write_atomically(path, object())
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(folder, "a file cannot take the place of a folder")
    assert path.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == [folder, path]


@pytest.mark.skipif(sys.platform != "linux", reason="uses /dev/full")
def test_a_full_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plan"
    with Path("/dev/full").open("wb") as full:
        monkeypatch.setattr(Path, "open", lambda *_: full)
        with pytest.raises(OSError, match="No space left on device") as failed:
            write_atomically(path, b"x" * 100_000)
        monkeypatch.undo()
        assert failed.value.filename == str(path)
        assert sentence_of(failed.value) == f"{path}: No space left on device"
        assert list(tmp_path.iterdir()) == []


def test_no_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "missing" / "plan", "text")


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    path, theirs = tmp_path / "run" / "summary.md", tmp_path / "notes"
    path.parent.mkdir()
    theirs.write_text("mine")
    path.symlink_to(theirs)
    scratch = path.with_name(f".summary.md.{os.getpid()}.tmp")
    for link in (theirs, tmp_path / "nowhere"):
        scratch.symlink_to(link)  # somebody guessed the name of the file in between
        write_atomically(path, "new")
        assert (path.read_text(), path.is_symlink()) == ("new", False)
    assert theirs.read_text() == "mine"
    assert sorted(tmp_path.rglob("*")) == [theirs, path.parent, path]


def test_a_home_that_nobody_knows_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ours")
    assert expanded("~/shop") == Path("/home/ours/shop")
    assert expanded("shop") == Path("shop")
    assert expanded("~no-such-account/shop") == Path("~no-such-account/shop")


@pytest.fixture
def places(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to("missing")
    (tmp_path / "itself").symlink_to("itself")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    return tmp_path


@pytest.mark.parametrize("name", ["folder", "folder/new", "a/b/c", "link", "link/new", "."])
def test_a_folder_that_can_be_made_is_made(places: Path, name: str) -> None:
    make_folder(places / name)
    assert (places / name).is_dir()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("file", "Not a directory"),
        ("file/a/b", "Not a directory"),
        ("nowhere", "No such file"),
        ("nowhere/a", "No such file"),
        ("itself", "symbolic links"),
    ],
)
def test_what_cannot_become_a_folder_is_a_mistake(places: Path, name: str, why: str) -> None:
    before = sorted(places.rglob("*"))
    for refuses in (refuse_unwritable, make_folder):
        with pytest.raises(UserError, match=f"cannot write to .*{why}"):
            refuses(places / name)
    assert sorted(places.rglob("*")) == before


def test_a_folder_of_somebody_else_is_a_mistake(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(UserError, match="Permission denied"):
        refuse_unwritable(places / "folder" / "new")


@pytest.mark.parametrize("name", ["", "/"])
def test_a_path_without_a_name_is_a_folder(name: str) -> None:
    with pytest.raises(IsADirectoryError):
        write_atomically(Path(name), b"")


def test_a_pipe_a_device_and_what_leads_to_one_are_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    system = tmp_path / "system"
    system.mkdir()
    (tmp_path / "file").write_text("kept")
    (system / "stdout").symlink_to("../file")
    monkeypatch.setattr(files, "_OF_SYSTEM", (system,))
    before = sorted(tmp_path.rglob("*"))
    for path in (tmp_path / "pipe", tmp_path / "link", system / "stdout", system / "new"):
        with pytest.raises(FileExistsError):
            write_atomically(path, b"x")
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "link").is_symlink()
    assert (system / "stdout").read_text() == "kept"
