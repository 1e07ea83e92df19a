"""ctrf.json: the run in the Common Test Report Format, for tools that read it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from harness.report.checks import Check, checks, plain
from harness.report.result import Result

FILE_NAME = "ctrf.json"
SPEC = "0.1.0"
_STATUS = {True: "passed", False: "failed", None: "skipped"}


def ctrf_json(result: Result) -> str:
    """The run's checks as a CTRF report."""
    tests = [_test(one, result) for one in checks(result)]
    counts = {
        status: sum(one["status"] == status for one in tests)
        for status in ("passed", "failed", "pending", "skipped", "other")
    }
    report = {
        "reportFormat": "CTRF",
        "specVersion": SPEC,
        "results": {
            "tool": {"name": "paychain", "version": plain(result.environment.get("paychain", ""))},
            "summary": {
                "tests": len(tests), **counts,
                "start": _millis(result.started_at), "stop": _millis(result.ended_at),
            },
            "tests": tests,
        },
    }  # fmt: skip
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def _test(one: Check, result: Result) -> dict[str, Any]:
    status = _STATUS[one.passed]
    if one.is_about_harness and one.passed is False:
        status = "other"  # an inconclusive run is no failure of the chain
    test: dict[str, Any] = {
        "name": plain(one.name),
        "status": status,
        "duration": 0,
        "suite": ["paychain", plain(result.chain.name), plain(result.experiment.name)],
        "message": plain(f"{one.title}: {one.said}" if one.said else one.title),
    }
    if one.evidence:
        test["trace"] = plain(f"{one.evidence}\nrepeat: {result.command}")
    if one.place:
        path, line, _ = one.place.rsplit(":", 2)
        test |= {"filePath": plain(path), "line": int(line)}
    return test


def _millis(at: str) -> int:
    return int(datetime.fromisoformat(at).timestamp() * 1000)
