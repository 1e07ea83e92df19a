"""A file that somebody else reads is whole, or the one from before."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import msgspec
import pytest

from paychain.processes.files import expanded, write_atomically


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
