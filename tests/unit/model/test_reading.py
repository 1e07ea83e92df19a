"""Files that have no end, that never begin, or that are too large are refused at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from paychain.declaration.reading import NotReadable, TooLarge, read_bounded
from paychain.model.loading import FileMistakes, load_chain, load_experiment
from paychain.payments.errors import UserError
from paychain.report.result import read

SPARSE_BYTES = 30_000_000_000


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(SPARSE_BYTES)


def zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def link_to_fifo(path: Path) -> None:
    os.mkfifo(path.with_suffix(".fifo"))
    path.symlink_to(path.with_suffix(".fifo"))


BAD = [sparse, zeros, fifo, folder, link_to_fifo]


@pytest.mark.timeout(10)
@pytest.mark.parametrize("make", BAD)
def test_what_is_no_file_of_data_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "file")
    with pytest.raises(TooLarge if make is sparse else NotReadable):
        read_bounded(tmp_path / "file", 1_000)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("make", BAD)
def test_a_replayed_file_is_refused_with_its_place(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "recorded.csv")
    path = tmp_path / "replayed.yaml"
    path.write_text(
        "experiment: replayed\n"
        "load: {arrivals: {replay: recorded.csv}, before: 1s, after: 1s}\n"
        "tolerances: {}\n"
    )
    with pytest.raises(FileMistakes, match=r"replayed\.yaml:2:\d+: .*recorded\.csv is "):
        load_experiment(str(path))


@pytest.mark.timeout(10)
@pytest.mark.parametrize("make", BAD)
def test_declarations_and_results_are_no_other_files(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "chain.yaml")
    with pytest.raises(UserError):
        load_chain(str(tmp_path / "chain.yaml"))
    make(tmp_path / "result.json")
    with pytest.raises(UserError):
        read(tmp_path)


def test_a_file_that_grows_while_it_is_read_is_cut_at_the_limit(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    writer = threading.Thread(target=lambda: os.write(write_end, b"x" * 2_000))
    writer.start()
    with pytest.raises(TooLarge):
        read_bounded(Path(f"/proc/self/fd/{read_end}"), 1_000, may_be_pipe=True)
    writer.join()
    os.close(read_end)
    os.close(write_end)


def test_a_file_is_read_up_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1_000)
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        assert read_bounded(tmp_path / name, 1_000) == b"x" * 1_000
        with pytest.raises(TooLarge, match="is larger than 0 kB"):
            read_bounded(tmp_path / name, 999)
