"""The log of the long live searches: what is in it is not done again."""

from __future__ import annotations

from pathlib import Path

from bench.live_seeds import add, logged


def test_a_line_that_was_cut_off_is_of_a_search_that_is_done_again(tmp_path: Path) -> None:
    log = tmp_path / "live.jsonl"
    assert logged(log) == []
    add(log, {"case": "none", "part": 1})
    with log.open("a") as file:
        file.write('{"case": "none", "pa')  # where the disk was full
    assert logged(log) == [{"case": "none", "part": 1}]
    add(log, {"case": "none", "part": 2})
    add(log, {"case": "none", "part": 3})
    assert [line["part"] for line in logged(log)] == [1, 2, 3]
