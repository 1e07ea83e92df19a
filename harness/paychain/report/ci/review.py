"""What `paychain check` found, for machines: JSON, annotations of GitHub, SARIF 2.1.0."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from paychain.model.finding_kinds import KINDS
from paychain.model.review import ReviewFinding

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"money": "error", "orphaned": "warning", "availability": "note"}
_MISTAKE = "mistake"


class MistakeFound(msgspec.Struct, kw_only=True, frozen=True):
    """One mistake in a file. Line and column are 0 for one of the file as a whole."""

    file: str
    line: int
    column: int
    what: str
    hint: str

    def __str__(self) -> str:
        return f"{self.what}; {self.hint}" if self.hint else self.what


@dataclass
class CheckReport:
    """Everything that one `paychain check` found."""

    files: list[str] = field(default_factory=list)  # those without mistakes
    mistakes: list[MistakeFound] = field(default_factory=list)
    findings: list[ReviewFinding] = field(default_factory=list)

    @property
    def open_findings(self) -> list[ReviewFinding]:
        """Those that somebody has to remove or to accept."""
        return [finding for finding in self.findings if finding.is_open]


def as_json(report: CheckReport) -> str:
    """Mistakes and findings as JSON, accepted findings included."""
    value = {
        "files": report.files,
        "mistakes": msgspec.to_builtins(report.mistakes),
        "findings": msgspec.to_builtins(report.findings),
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def as_github(report: CheckReport) -> str:
    """A workflow command for each mistake and each open finding, on its line."""
    from paychain.report.ci.github import annotation

    lines = [
        annotation(
            "error",
            {"file": mistake.file, "line": mistake.line, "col": mistake.column},
            str(mistake),
        )
        for mistake in report.mistakes
    ]
    for finding in report.open_findings:
        file, line, column = _place(finding)
        at: dict[str, str | int] = {"file": file, "line": line, "col": column}
        is_note = _LEVELS[finding.costs] == "note"
        command: Literal["notice", "warning"] = "notice" if is_note else "warning"
        lines.append(annotation(command, at | {"title": finding.kind}, _text(finding)))
    return "\n".join(lines)


def as_sarif(report: CheckReport, version: str) -> str:
    """A SARIF log with one run. Accepted findings are in it, suppressed with their reason."""
    used = [kind for kind in KINDS if any(found.kind == kind for found in report.findings)]
    rules: list[dict[str, Any]] = [
        {
            "id": kind,
            "shortDescription": {"text": kind.replace("_", " ")},
            "fullDescription": {"text": f"{KINDS[kind].why} ({KINDS[kind].source})"},
            "defaultConfiguration": {"level": _LEVELS[KINDS[kind].costs]},
        }
        for kind in used
    ]
    if report.mistakes:
        rules.append({"id": _MISTAKE, "shortDescription": {"text": "mistake in a file"}})
    results = [
        _result(
            _MISTAKE,
            "error",
            str(mistake),
            (mistake.file, mistake.line, mistake.column),
        )
        for mistake in report.mistakes
    ]
    for finding in report.findings:
        result = _result(finding.kind, _LEVELS[finding.costs], _text(finding), _place(finding))
        if not finding.is_open:
            because = finding.accepted or "every chain has it"
            result["suppressions"] = [{"kind": "inSource", "justification": because}]
        results.append(result)
    driver = {"name": "paychain", "version": version, "rules": rules}
    run = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
    return json.dumps(
        {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False
    )


def _result(rule: str, level: str, text: str, place: tuple[str, int, int]) -> dict[str, Any]:
    file, line, column = place
    location = {
        "artifactLocation": {"uri": quote(PurePath(file).as_posix())},
        "region": {"startLine": max(1, line), "startColumn": max(1, column)},
    }
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": text},
        "locations": [{"physicalLocation": location}],
    }


def _place(finding: ReviewFinding) -> tuple[str, int, int]:
    file, line, column = finding.place.rsplit(":", 2)
    return file, int(line), int(column)


def _text(finding: ReviewFinding) -> str:
    return f"{finding.what}. {finding.why}\nremedy: {finding.remedy}"
