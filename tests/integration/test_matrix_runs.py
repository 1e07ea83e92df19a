"""A whole matrix in virtual time, interrupted and resumed."""

from __future__ import annotations

from pathlib import Path

from paychain.report.html.matrix import read_matrix
from tests.support.chains import shop
from tests.support.cli import invoked
from tests.support.runs import declare


def test_a_matrix_names_what_breaks_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    declare(tmp_path, shop=shop(on_unknown="give_up"))
    words = ["matrix", "shop.yaml", "--fault", "down", "--fault", "lost-answer", "--resume", "made"]
    first = invoked(tmp_path, *words, "--link", "processor-a")
    assert first.exit_code == 1, first.stderr
    cells = {(cell.link, cell.fault): cell for cell in read_matrix(tmp_path / "made").cells}
    assert cells["processor-a", "down"].state == "held"  # the failover carries it
    assert cells["processor-a", "lost-answer"].state == "money wrong"  # and charges twice here
    run = cells["processor-a", "lost-answer"].run
    assert (tmp_path / "made" / run / "report.html").is_file()

    second = invoked(tmp_path, *words, "--link", "processor-a", "--links", "issuers")
    assert second.exit_code == 1, second.stderr
    assert "4/4" in second.stderr
    assert "processor-a" not in second.stderr  # those cells were not run again
    cells = {(cell.link, cell.fault): cell for cell in read_matrix(tmp_path / "made").cells}
    assert cells["processor-a", "lost-answer"].run == run
    assert cells["issuer", "down"].state == "broke"
