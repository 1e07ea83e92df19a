"""GitHub Actions: annotations on the lines of the limits, and the summary of the step.

GitHub shows ten errors per step and accepts a summary of 1 MiB. Both limits are applied here, so
that it is clear what was cut.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Literal

from paychain.analysis.comparison import Comparison
from paychain.payments.errors import one_line
from paychain.report.ci.checks import Check, checks, plain
from paychain.report.result import Result
from paychain.report.text.summary import summary_md

MAX_ANNOTATIONS = 9  # of the ten that GitHub shows; the tenth counts the rest
# A summary's file may be a pipe: how long its reader may take, and how often to look.
READ_WITHIN_S, POLLED_EVERY_S = 10.0, 0.02
MAX_SUMMARY_BYTES = 1_000_000  # GitHub rejects the summary of a step above 1 MiB


def workflow_commands(result: Result) -> list[str]:
    """A workflow command for each failed check, on the line of its limit where that is known."""
    failed = [check for check in checks(result) if check.passed is False]
    lines = [_annotation(check, result) for check in failed[:MAX_ANNOTATIONS]]
    if len(failed) > MAX_ANNOTATIONS:
        lines.append(
            f"::error title=paychain::and {len(failed) - MAX_ANNOTATIONS} more failed checks"
        )
    return lines


def regressions(comparison: Comparison) -> list[str]:
    """A workflow command for each measure that is worse than in the baselines."""
    title = {"title": f"worse than {comparison.baseline}"}
    worse = comparison.regressions
    lines = [annotation("error", title, text) for text in worse[:MAX_ANNOTATIONS]]
    if len(worse) > MAX_ANNOTATIONS:
        lines.append(annotation("error", title, f"and {len(worse) - MAX_ANNOTATIONS} more"))
    return lines


def report(result: Result, environment: Mapping[str, str], *, annotates: bool = True) -> list[str]:
    """Append to the summary of the step, and return the workflow commands to print.

    Outside GitHub Actions there is neither: which parts apply is read from `environment`. What
    cannot be written is a line, too. `annotates`: no if the commands are printed already.
    """
    summary = environment.get("GITHUB_STEP_SUMMARY")
    problems = _append(Path(summary), summary_md(result)) if summary else []
    is_action = annotates and environment.get("GITHUB_ACTIONS") == "true"
    return [*problems, *(workflow_commands(result) if is_action else [])]


def _append(path: Path, text: str) -> list[str]:
    """Add to a summary; what went wrong, in words."""
    try:
        present = path.stat().st_size if path.exists() else 0
        data = text.encode()
        # GitHub drops the whole summary of a step that is too long, earlier steps' text included.
        if present + len(data) > MAX_SUMMARY_BYTES:
            return []
        with open(path, "ab", opener=_open_at_once, buffering=0) as file:
            if left := _write(file, data):
                written = f"{len(data) - left:,} of {len(data):,} bytes written"
                return [f"cannot write {one_line(str(path))}: its reader is too slow: {written}"]
    except OSError as error:
        # The run is over and has its verdict: a summary that is missing must not change that.
        why = "nobody reads this pipe" if error.errno == errno.ENXIO else error.strerror
        return [f"cannot write {one_line(str(path))}: {why}"]
    return []


def _open_at_once(path: str, flags: int) -> int:
    """Open a file to write to it; with a pipe, either would otherwise wait for its reader."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)


def _write(file: FileIO, data: bytes) -> int:
    """Write it all, as fast as a pipe is read; how many bytes nobody took in time."""
    left = memoryview(data)
    until_s = time.monotonic() + READ_WITHIN_S
    while left and time.monotonic() < until_s:
        written = file.write(left)
        if written is None:  # a pipe that is full
            time.sleep(POLLED_EVERY_S)
        else:
            left = left[written:]
    return len(left)


def _annotation(check: Check, result: Result) -> str:
    properties = {"title": f"{result.experiment.name} on {result.chain.name}"}
    if check.place:
        path, line, column = check.place.rsplit(":", 2)
        properties = {"file": path, "line": line, "col": column} | properties
    lines = [f"{check.title}: {check.message}", check.evidence]
    lines += [f"remedy: {remedy}" for remedy in check.remedies]
    lines.append(f"reproduce: {result.command}")
    return annotation("error", properties, "\n".join(filter(None, lines)))


def annotation(
    command: Literal["error", "warning", "notice"], properties: Mapping[str, str | int], text: str
) -> str:
    """A workflow command that GitHub shows on a line of a file."""
    attributes = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{command} {attributes}::{_data(text)}"


def _data(text: str) -> str:
    return plain(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
