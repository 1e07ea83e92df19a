"""Parts of a job that several machines share."""

from __future__ import annotations

import pytest

from paychain.payments.errors import UserError
from paychain.processes.part import WHOLE, Part, missing


@pytest.mark.parametrize("of", [1, 2, 4, 7])
def test_the_parts_together_are_the_whole_and_share_nothing(of: int) -> None:
    items = list(range(23))
    taken = [item for number in range(1, of + 1) for item in Part(number, of).share_of(items)]
    assert sorted(taken) == items


@pytest.mark.parametrize(
    ("variables", "part"),
    [
        ({"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "4"}, Part(1, 4)),
        ({"CIRCLE_NODE_INDEX": "0", "CIRCLE_NODE_TOTAL": "4"}, Part(1, 4)),
        ({"BUILDKITE_PARALLEL_JOB": "3", "BUILDKITE_PARALLEL_JOB_COUNT": "4"}, Part(4, 4)),
        ({"JOB_COMPLETION_INDEX": "2", "PAYCHAIN_PARTS": "4"}, Part(3, 4)),
        ({"PAYCHAIN_PART_INDEX": "0", "PAYCHAIN_PARTS": "1"}, WHOLE),
    ],
)
def test_a_ci_system_numbers_the_parts(variables: dict[str, str], part: Part) -> None:
    assert Part.read("auto", variables) == part


@pytest.mark.parametrize(
    ("text", "variables", "said"),
    [
        ("2", {}, "'2' is not a part; write 2/4"),
        ("0/4", {}, "part 0 of 4 does not exist"),
        ("5/4", {}, "part 5 of 4 does not exist"),
        ("1/99999", {}, "at most 10,000"),
        ("auto", {}, "no environment variable of a CI system gives this job's number"),
        ("auto", {"JOB_COMPLETION_INDEX": "2"}, "set PAYCHAIN_PART_INDEX"),
        ("auto", {"CI_NODE_INDEX": "x", "CI_NODE_TOTAL": "4"}, "CI_NODE_INDEX counts from 1"),
        ("auto", {"CI_NODE_INDEX": "0", "CI_NODE_TOTAL": "4"}, "part 0 of 4 does not exist"),
    ],
)
def test_what_is_no_part_is_a_mistake(text: str, variables: dict[str, str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Part.read(text, variables)


def test_parts_that_are_missing_are_named() -> None:
    assert missing([Part(3, 3), Part(1, 3)]) == [Part(2, 3)]
    assert missing([WHOLE]) == []
    with pytest.raises(UserError, match="part 1/2 is given twice"):
        missing([Part(1, 2), Part(1, 2)])
    with pytest.raises(UserError, match="not the parts of one job: 1/2, 1/3"):
        missing([Part(1, 3), Part(1, 2)])
