"""docs/outage-story.md: what was recorded, and every system of the story that has a chain."""

from __future__ import annotations

import msgspec
import pytest

from bench._outage_story_page import PAGE, Alone, Cell, Run, Story, page, read_story
from bench.outage_story import ROWS, Files, Row, judgement, there, whole_page
from paychain.analysis.measures.measures import Verdict
from tests.support.report_results import KEPT, result

ROW = Row("Somebody", "card-shop", "mine", "What happens.")


def shown(cell: Cell) -> str:
    story = Story(cells=[cell])
    (line,) = (
        line
        for line in page(story, [(ROW.system, ROW.key, ROW.shows)]).splitlines()
        if "`card-shop`" in line
    )
    return line


def recorded(**more: object) -> Cell:
    cell = Cell(chain="card-shop", experiment="mine", files="", virtual=Run.of(result()))
    return msgspec.structs.replace(cell, **more)


def test_the_page_is_generated_from_what_was_recorded() -> None:
    assert PAGE.read_text("utf-8") == whole_page(read_story())


def test_real_and_virtual_agree_wherever_both_were_run() -> None:
    assert [cell for cell in read_story().cells if cell.real and cell.differences] == []


@pytest.mark.parametrize("row", there(), ids=lambda row: f"{row.chain}-{row.experiment}")
def test_each_outage_finds_its_targets_in_its_chain(row: Row) -> None:
    assert Files.of(row).experiment.model.faults


def test_no_row_is_there_twice() -> None:
    assert len({row.key for row in ROWS}) == len(ROWS)


def test_a_row_says_verdict_reason_rules_and_break_points() -> None:
    line = shown(recorded())
    assert line.startswith("| `card-shop` | `mine` | What happens. | **failed**: ")
    assert "broken: `no_double_charge` (2); payments broke at gateway → processor-a (115)" in line
    assert line.endswith("| not run |")


def test_a_real_run_is_the_same_or_differs_in_words() -> None:
    real = Run.of(result())
    assert shown(recorded(real=real, arrivals="6/s")).endswith("| the same, at 6/s |")
    fewer = msgspec.structs.replace(real, rules={})
    assert shown(recorded(real=fewer)).endswith("| the same; not judged: `no_double_charge` |")
    passed = result(
        verdict=Verdict.PASS, money=msgspec.structs.replace(result().money, rules=[KEPT])
    )
    found = judgement(result(), passed)
    assert set(found) == {"verdict", "money rule broken no_double_charge"}
    line = shown(recorded(real=real, differences=list(found.values()), seeds_as_real=1))
    assert "verdict: real fail, virtual pass" in line
    assert line.endswith("(other seeds as the real run: 1 of 4) |")


def test_what_was_not_run_is_not_shown_and_third_parties_have_lines_of_their_own() -> None:
    alone = Alone(chain="c", link="vault", role="vault", files="", state="held", text="100 %")
    text = page(Story(alone=[alone]), [(ROW.system, ROW.key, ROW.shows)])
    assert "card-shop" not in text
    assert "| `c` | vault | vault | held | 100 % |" in text
