"""One part of a job that several machines share: `2/4`, or as the CI system numbers its jobs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

from paychain.payments.errors import UserError
from paychain.payments.whole_number import whole_number

Item = TypeVar("Item")

AUTO = "auto"
MAX_PARTS = 10_000
# Variables of the index and of the number of jobs, and the first index. Sources: GitLab "CI_NODE_
# INDEX" (docs.gitlab.com/ci/variables/predefined_variables), CircleCI "CIRCLE_NODE_INDEX"
# (circleci.com/docs/variables), Buildkite "BUILDKITE_PARALLEL_JOB" (buildkite.com/docs/pipelines/
# configure/environment-variables), Kubernetes "JOB_COMPLETION_INDEX" (kubernetes.io/docs/tasks/job/
# indexed-parallel-processing-static). GitHub and Kubernetes give no number of jobs to processes.
_VARIABLES = (
    ("PAYCHAIN_PART_INDEX", "PAYCHAIN_PARTS", 0),
    ("CI_NODE_INDEX", "CI_NODE_TOTAL", 1),
    ("CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0),
    ("BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0),
    ("JOB_COMPLETION_INDEX", "PAYCHAIN_PARTS", 0),
)


@dataclass(frozen=True)
class Part:
    """`number` counts from 1 to `of`."""

    number: int
    of: int

    @classmethod
    def read(cls, text: str, environment: Mapping[str, str] = os.environ) -> Part:
        """`2/4`, or `auto`: as the variables of the CI system say. Raises UserError."""
        if text == AUTO:
            return _of_ci(environment)
        match = re.fullmatch(r"(\d{1,5})/(\d{1,5})", text)
        if match is None:
            raise UserError(
                f"--part: '{text}' is not a part", hint="write 2/4 for the second of four"
            )
        return _checked(int(match[1]), int(match[2]), f"--part {text}")

    def share_of(self, items: Sequence[Item]) -> list[Item]:
        """This part's share: every `of`-th of the items, so that neighbours are spread."""
        return list(items[self.number - 1 :: self.of])

    def has(self, text: str) -> bool:
        """Whether the thing named by this text is in this part; every process computes the same."""
        digest = blake2b(text.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.of == self.number - 1

    def __str__(self) -> str:
        """`2/4`."""
        return f"{self.number}/{self.of}"

    @property
    def slug(self) -> str:
        """`2-of-4`, for names of files."""
        return f"{self.number}-of-{self.of}"


WHOLE = Part(1, 1)


def missing(parts: Iterable[Part]) -> list[Part]:
    """The parts that are not there. Raises UserError when they are not parts of one job."""
    known: set[Part] = set()
    for part in parts:
        if part in known:
            raise UserError(f"part {part} is given twice", hint="name each part once")
        known.add(part)
    numbers = {part.of for part in known}
    if len(numbers) != 1:
        listed = ", ".join(map(str, sorted(known, key=lambda part: (part.of, part.number))))
        raise UserError(
            f"these are not the parts of one job: {listed}", hint="name parts of the same number"
        )
    of = numbers.pop()
    return [part for number in range(1, of + 1) if (part := Part(number, of)) not in known]


def _of_ci(environment: Mapping[str, str]) -> Part:
    for index, total, first in _VARIABLES:
        if index in environment and total in environment:
            at, of = environment[index], environment[total]
            where = f"--part auto: {index}={at}, {total}={of}"
            number, parts = whole_number(at), whole_number(of)
            if number is None or parts is None:
                raise UserError(f"{where} is not a part", hint=f"{index} counts from {first}")
            return _checked(number - first + 1, parts, where)
    raise UserError(
        "--part auto: no environment variable of a CI system gives this job's number",
        hint="set PAYCHAIN_PART_INDEX (from 0) and PAYCHAIN_PARTS, or write --part 2/4",
    )


def _checked(number: int, of: int, where: str) -> Part:
    if not 1 <= number <= of <= MAX_PARTS:
        raise UserError(
            f"{where}: part {number} of {of} does not exist",
            hint=f"parts count from 1 to their number, at most {MAX_PARTS:,}",
        )
    return Part(number, of)
