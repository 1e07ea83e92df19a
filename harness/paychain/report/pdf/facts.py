"""The facts of the compliance document as labelled values: who, what, why, where.

Most of them come from the assurance block. A fact that it does not give is None: the document shows
it as missing and never invents one.
"""

from __future__ import annotations

from typing import Any

from paychain.report.result import Result
from paychain.report.text.hosts import host_lines
from paychain.report.text.services import service_lines
from paychain.report.text.wording import closed_model
from paychain.report.text.workers import worker_lines

Facts = list[tuple[str, Any]]  # label and value

FROM_ASSURANCE = ("scope", "people", "objectives", "retest", "sign_off")


def facts(result: Result) -> dict[str, Facts]:
    """The facts of each section, by its name in report.typ."""
    assurance = result.assurance
    return {
        "scope": _scope(assurance),
        "scenario": _scenario(result),
        "environment": _environment(result),
        "people": _people(assurance.get("people", {})),
        "objectives": _objectives(assurance.get("objectives", {})),
        "retest": _retest(assurance),
        "sign_off": _sign_off(assurance),
        "integrity": _integrity(result),
    }


def missing(sections: dict[str, Facts]) -> list[str]:
    """Labels of the facts that the assurance block should give and does not."""
    return [
        label for name in FROM_ASSURANCE for label, value in sections[name] if value in (None, "")
    ]


def _scope(assurance: dict[str, Any]) -> Facts:
    return [
        ("Entity", assurance.get("entity")),
        ("Critical or important function", assurance.get("critical_function")),
        ("In scope", assurance.get("in_scope")),
        ("Out of scope", assurance.get("out_of_scope")),
        ("Programme", assurance.get("programme")),
        ("Trigger", assurance.get("trigger")),
        ("Reference of the trigger", assurance.get("trigger_reference")),
        ("Previous run", assurance.get("previous_run")),
    ]


def _scenario(result: Result) -> Facts:
    planned = result.assurance.get("scenario", {})
    expected = planned.get("expected_to_hold")
    return [
        ("Experiment", f"{result.experiment.name}: {result.experiment.title}"),
        ("Based on", result.experiment.based_on or "not a real incident"),
        ("Type", planned.get("type")),
        ("Severity", planned.get("severity")),
        ("Why it is plausible", planned.get("plausibility")),
        (
            "Expected to hold, as stated before the run",
            None if expected is None else ("yes" if expected else "no"),
        ),
        ("Time scale", result.experiment.time_scale),
    ]


def _environment(result: Result) -> Facts:
    return [
        ("Environment", result.assurance.get("environment")),
        ("Start and end", f"{result.started_at} to {result.ended_at}"),
        ("Clock", _clock(result)),
        ("Fault engine", f"{result.engine.name} {result.engine.version}"),
        (
            "Load",
            f"{closed_model(result) or result.load.arrivals}; {result.load.recorded:,} of "
            f"{result.load.planned or result.load.offered:,} payments recorded",
        ),
        *((f"Worker {name}", line) for name, line in worker_lines(result)),
        *((f"Machine {name}", line) for name, line in host_lines(result)),
        *((f"Own service {name}", line) for name, line in service_lines(result)),
        ("Data", "synthetic payments, published test card numbers"),
        *sorted(result.environment.items()),
    ]


def _clock(result: Result) -> str:
    if result.virtual:
        return "virtual time"
    if result.load.workers:
        return (
            "monotonic clock of the master's machine; the clocks of the workers are aligned with it"
        )
    return "monotonic clock of a single machine"


def _people(people: dict[str, Any]) -> Facts:
    return [
        ("Designed by", people.get("designed_by")),
        ("Executed by", people.get("executed_by")),
        ("Approved by", people.get("approved_by")),
        ("Independence", people.get("independence")),
    ]


def _objectives(objectives: dict[str, Any]) -> Facts:
    return [
        ("Owner of the tolerances", objectives.get("owner")),
        ("Justification", objectives.get("justification")),
        ("Recovery time objective", objectives.get("rto")),
        ("Recovery point objective", objectives.get("rpo")),
    ]


def _retest(assurance: dict[str, Any]) -> Facts:
    retest = assurance.get("retest", {})
    return [
        ("Retest run", retest.get("run")),
        ("Retest result", retest.get("result")),
        ("Closed by (someone other than the fixer)", retest.get("closed_by")),
        ("Lessons learned", assurance.get("lessons")),
        ("Reported to the management body", assurance.get("reported_on")),
    ]


def _sign_off(assurance: dict[str, Any]) -> Facts:
    sign_off = assurance.get("sign_off", {})
    return [
        ("Prepared", sign_off.get("prepared")),
        ("Independently reviewed", sign_off.get("reviewed")),
        ("Accepted by the owner of the function", sign_off.get("accepted")),
        ("Retention", assurance.get("retention")),
    ]


def _integrity(result: Result) -> Facts:
    return [
        ("Run", result.run_id),
        ("Chain file, SHA-256", result.chain.sha256),
        ("Experiment file, SHA-256", result.experiment.sha256),
        ("Seed", result.seed),
    ]
