"""ctrf.json: the run in the Common Test Report Format, for tools that read it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from paychain.report.ci.checks import Check, checks, plain
from paychain.report.result import Result

FILE_NAME = "ctrf.json"
SPEC = "0.1.0"
_STATUS = {True: "passed", False: "failed", None: "skipped"}


def ctrf_json(result: Result) -> str:
    """The checks of a run as a CTRF report (JSON)."""
    tests = [_test(check, result) for check in checks(result)]
    counts = {
        status: sum(test["status"] == status for test in tests)
        for status in ("passed", "failed", "pending", "skipped", "other")
    }
    report = {
        "reportFormat": "CTRF",
        "specVersion": SPEC,
        "results": {
            "tool": {"name": "paychain", "version": plain(result.environment.get("paychain", ""))},
            "summary": {
                "tests": len(tests),
                **counts,
                "start": _millis(result.started_at),
                "stop": _millis(result.ended_at),
            },
            "tests": tests,
        },
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def _test(check: Check, result: Result) -> dict[str, Any]:
    status = _STATUS[check.passed]
    # An inconclusive run is a problem of the harness: it must not count as a failed chain.
    if check.is_about_harness and check.passed is False:
        status = "other"
    test: dict[str, Any] = {
        "name": plain(check.name),
        "status": status,
        "duration": 0,
        "suite": ["paychain", plain(result.chain.name), plain(result.experiment.name)],
        "message": plain(f"{check.title}: {check.message}" if check.message else check.title),
    }
    if check.evidence:
        test["trace"] = plain(f"{check.evidence}\nreproduce: {result.command}")
    if check.place:
        path, line, _ = check.place.rsplit(":", 2)
        test |= {"filePath": plain(path), "line": int(line)}
    return test


def _millis(at: str) -> int:
    return int(datetime.fromisoformat(at).timestamp() * 1000)
