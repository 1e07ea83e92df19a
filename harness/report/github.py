"""What GitHub Actions shows of a run: annotations on the lines of limits, and the step's summary.

GitHub shows ten errors of a step and takes 1 MiB of summary; more is cut here, not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.payments.errors import UserError
from harness.report.checks import Check, checks, plain
from harness.report.result import Result
from harness.report.summary import summary_md

MOST = 9  # annotations before "and n more"
LARGEST_SUMMARY = 1_000_000  # bytes; GitHub refuses a step's summary above 1 MiB


def workflow_commands(result: Result) -> list[str]:
    """A workflow command for each failed check, on the line that sets its limit when known."""
    failed = [one for one in checks(result) if one.passed is False]
    lines = [_annotation(one, result) for one in failed[:MOST]]
    if len(failed) > MOST:
        lines.append(f"::error title=paychain::and {len(failed) - MOST} more failed checks")
    return lines


def tell(result: Result, environment: Mapping[str, str]) -> list[str]:
    """Append the step's summary where there is one; the lines that are to be printed.

    Raises UserError when the summary's file cannot be written.
    """
    summary = environment.get("GITHUB_STEP_SUMMARY")
    if summary:
        _append(Path(summary), summary_md(result))
    return workflow_commands(result) if environment.get("GITHUB_ACTIONS") == "true" else []


def _append(path: Path, text: str) -> None:
    try:
        present = path.stat().st_size if path.exists() else 0
        data = text.encode()
        if present + len(data) > LARGEST_SUMMARY:
            return  # the step's summary is full: one line more would make GitHub drop it all
        with path.open("ab") as file:
            file.write(data)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def _annotation(one: Check, result: Result) -> str:
    properties = {"title": f"{result.experiment.name} on {result.chain.name}"}
    if one.place:
        path, line, column = one.place.rsplit(":", 2)
        properties = {"file": path, "line": line, "col": column} | properties
    said = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    lines = [f"{one.title}: {one.said}", one.evidence, f"repeat: {result.command}"]
    return f"::error {said}::{_data(chr(10).join(line for line in lines if line))}"


def _data(text: str) -> str:
    return plain(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
