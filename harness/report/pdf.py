"""report.pdf: the compliance document, PDF/A-3a and PDF/UA-1, with result.json attached.

Conformance is enforced by typst, which refuses to write otherwise; no third party validated it.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from harness.payments.errors import UserError
from harness.payments.money import written
from harness.report.chainmap import chain_map
from harness.report.classification import Classification, classify
from harness.report.hosts import host_lines
from harness.report.plot import timeline
from harness.report.result import FILE_NAME, Result
from harness.report.wording import MARKS, closed_model, headline, millis, seconds, share
from harness.report.workers import worker_lines

MOST_ROWS = 40  # of one table: the document is for reading, run.db has them all
_LABEL = re.compile(r'aria-label="([^"]*)"')
_MARK = {True: "✓ held", False: "✕ broken", None: "– not judged"}


def write_pdf(folder: Path, result: Result) -> Path:
    """Write report.pdf into a run directory. Raises UserError without the extra package."""
    try:
        import typst
    except ImportError as error:
        mend = "pip install 'paychain[pdf]'"
        raise UserError("a PDF needs an extra package", mend=mend) from error
    ended = datetime.fromisoformat(result.ended_at)
    path = folder / "report.pdf"
    path.write_bytes(
        typst.compile(
            _asset("page/report.typ"), ignore_system_fonts=True, format="pdf",
            pdf_standards=["a-3a", "ua-1"], timestamp=int(ended.timestamp()),
            sys_inputs={
                "data": json.dumps(document(result)),
                "result": (folder / FILE_NAME).read_text("utf-8"),
            },
        )
    )  # fmt: skip
    return path


def document(result: Result) -> dict[str, Any]:
    """Everything the page says, as plain data: missing facts are None, never invented."""
    given = result.assurance
    currency = result.chain.currency
    classified = classify(result, given.get("daily", {}), given.get("critical_function"))
    clauses = yaml.safe_load(_asset("data/clauses.yaml"))
    ended = datetime.fromisoformat(result.ended_at)
    people, goals = given.get("people", {}), given.get("objectives", {})
    retest, signs = given.get("retest", {}), given.get("sign_off", {})
    rows: dict[str, list[tuple[str, Any]]] = {
        "scope": [
            ("Entity", given.get("entity")),
            ("Critical or important function", given.get("critical_function")),
            ("In scope", given.get("in_scope")),
            ("Out of scope", given.get("out_of_scope")),
            ("Programme", given.get("programme")),
            ("Why now", given.get("trigger")),
            ("Reference", given.get("trigger_reference")),
            ("Previous run", given.get("previous_run")),
        ],
        "scenario": _scenario(result),
        "environment": _environment(result),
        "people": [
            ("Designed by", people.get("designed_by")),
            ("Executed by", people.get("executed_by")),
            ("Approved by", people.get("approved_by")),
            ("Independence", people.get("independence")),
        ],
        "objectives": [
            ("Owner of the tolerances", goals.get("owner")),
            ("Justification", goals.get("justification")),
            ("Recovery time objective", goals.get("rto")),
            ("Recovery point objective", goals.get("rpo")),
        ],
        "retest": [
            ("Retest run", retest.get("run")),
            ("Retest result", retest.get("result")),
            ("Closed by (not who mended it)", retest.get("closed_by")),
            ("Lessons", given.get("lessons")),
            ("Reported to the management body", given.get("reported_on")),
        ],
        "sign_off": [
            ("Prepared", signs.get("prepared")),
            ("Reviewed independently", signs.get("reviewed")),
            ("Accepted by the function's owner", signs.get("accepted")),
            ("Retention", given.get("retention")),
        ],
        "integrity": [
            ("Run", result.run_id),
            ("Chain file, SHA-256", result.chain.sha256),
            ("Experiment file, SHA-256", result.experiment.sha256),
            ("Seed", result.seed),
        ],
    }
    return {
        "title": f"Resilience test of {result.chain.title or result.chain.name}",
        "author": given.get("entity") or "paychain",
        "date": [ended.year, ended.month, ended.day],
        "run_id": result.run_id,
        "verdict_line": f"{MARKS[result.verdict]} {headline(result)}",
        "reasons": result.reasons,
        **{name: [[label, _text(value)] for label, value in some] for name, some in rows.items()},
        "missing": [
            label for name in ("scope", "people", "objectives", "retest", "sign_off")
            for label, value in rows[name] if value in (None, "")
        ],
        "assumptions": given.get("assumptions", []),
        "links": [
            [one.name, one.role, one.provider or "–", result.chain.providers.get(one.provider, "–")]
            for one in result.chain.links
        ],
        "charts": _charts(result),
        **_measured(result),
        "classification": _classified(classified),
        "review": [
            [one.place, one.what, one.mend] for one in result.review
        ],
        "remediation": [
            [one.get(key) for key in ("finding", "severity", "owner", "action", "due", "status")]
            for one in given.get("findings", [])
        ],
        "clauses_note": f"Clause list of {clauses['version']}. The words are ours: read the "
        "original before relying on them.",
        "clauses": [
            [
                f"{one['id']}, {one['instrument']}", one["wording"], ", ".join(one["shows"]),
                one["not_shown"],
                f"{one['verified_on']}, confidence {one['confidence']} ({one['source']})",
            ]
            for one in clauses["clauses"]
        ],
        "out_of_scope": [f"{one['id']}: {one['wording']}" for one in clauses["out_of_scope"]],
        "method": [
            "Each link ran as a mock service; a fault engine stood on every hop.",
            "Latency counts from each payment's intended start, so a stall cannot hide its queue.",
            "A time-out is an unknown outcome, never a failure and never a success.",
            f"Repeat it: {result.command}",
        ],
        "limits": [
            "The links are mock services: they show how the chain's policies behave, not how a "
            "provider's production systems do.",
            "Times were measured in a test environment and are not production recovery times.",
            f"The faults' timeline is compressed ({result.experiment.time_scale}); the policies' "
            "time-outs are not.",
            "Only the listed faults were injected. This is no penetration test.",
            "A signature shows that nothing changed afterwards, not that the run was honest.",
        ],
        "verify": [
            "sha256sum --check SHA256SUMS",
            f"paychain verify {result.run_id} --trust KEY.pub",
        ],
        "currency": currency,
    }  # fmt: skip


def _charts(result: Result) -> list[dict[str, str]]:
    """The time line's panels and the chain map, each with the words that stand for it."""
    drawn = [*timeline(result)[0], chain_map(result)]
    return [{"svg": _print(svg), "alt": _LABEL.findall(svg)[0]} for svg in drawn]


def _scenario(result: Result) -> list[tuple[str, Any]]:
    planned = result.assurance.get("scenario", {})
    expected = planned.get("expected_to_hold")
    return [
        ("Experiment", f"{result.experiment.name}: {result.experiment.title}"),
        ("Based on", result.experiment.based_on or "no real incident"),
        ("Type", planned.get("type")),
        ("Severity", planned.get("severity")),
        ("Why it is plausible", planned.get("plausibility")),
        ("Expected to hold, said before the run", None if expected is None else
         ("yes" if expected else "no")),
        ("Time scale", result.experiment.time_scale),
    ]  # fmt: skip


def _environment(result: Result) -> list[tuple[str, Any]]:
    return [
        ("Environment", result.assurance.get("environment")),
        ("Started, ended", f"{result.started_at}, {result.ended_at}"),
        ("Clock", _clock(result)),
        ("Fault engine", f"{result.engine.name} {result.engine.version}"),
        ("Load", f"{closed_model(result) or result.load.arrivals}; {result.load.recorded} "
                 f"recorded of {result.load.planned or result.load.offered}"),
        *((f"Worker {name}", line) for name, line in worker_lines(result)),
        *((f"Machine {name}", line) for name, line in host_lines(result)),
        ("Data", "synthetic payments, published test card numbers"),
        *sorted(result.environment.items()),
    ]  # fmt: skip


def _clock(result: Result) -> str:
    if result.virtual:
        return "virtual time"
    if result.load.workers:
        return "monotonic clock of the master's machine; each worker's is aligned with it"
    return "monotonic clock of one machine"


def _measured(result: Result) -> dict[str, Any]:
    currency = result.chain.currency
    start_s = min((one.start_s for one in result.phases), default=0.0)
    return {
        "faults": [
            [
                one.id, one.text,
                "never" if one.applied_s is None else f"{one.applied_s - start_s:.1f} s",
                "never" if one.healed_s is None else f"{one.healed_s - start_s:.1f} s",
                "cannot be said" if one.hits is None else f"{one.hits} {one.hits_unit}",
            ]
            for one in result.faults
        ],
        "tolerances": [
            [one.id, one.required, one.observed_text, one.margin_text or "–", _MARK[one.passed]]
            for one in result.tolerances
        ],
        "phases": [
            [
                one.name, f"{one.offered:,}", f"{one.approved:,}", f"{one.declined:,}",
                f"{one.technical:,}", f"{one.unknown:,}", share(one.technical_success),
                millis(one.p99_ms),
            ]
            for one in result.phases
        ],
        "breaks": [
            [
                f"{one.caller} → {one.callee} ({one.operation})", f"{one.failure} {one.code}",
                ", ".join(one.faults) or "no fault", f"{one.payments:,}",
                written(one.amount, currency),
            ]
            for one in result.breaks[:MOST_ROWS]
        ],
        "fallbacks": [
            [
                one.call, f"{one.kind} {one.to}", f"{one.activations:,}", share(one.success),
                seconds(one.detection_s), seconds(one.failover_s), seconds(one.failback_s),
            ]
            for one in result.fallbacks if one.activations
        ],
        "money": [
            [one.title, f"{one.findings:,}", written(one.amount, currency),
             _MARK[one.passed]]
            for one in result.money.rules
        ],
        "findings_of_money": [
            [one.payment, one.text, "; ".join(one.references) or "none"]
            for rule in result.money.rules for one in rule.payments[:10]
        ][:MOST_ROWS],
    }  # fmt: skip


def _classified(found: Classification) -> dict[str, Any]:
    words = {True: "yes", False: "no", None: "cannot be said"}
    return {
        "thresholds": [
            [one.article, one.text, one.observed, words[one.passed]] for one in found.thresholds
        ],
        "major": words[found.is_major],
        "because": found.because,
        "assumptions": found.assumptions,
    }


def _print(svg: str) -> str:
    """An SVG with a font that the document has, so that its text is drawn."""
    svg = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    # The font has no ballot x, and inside an image no other font is looked for.
    return svg.replace("system-ui, sans-serif", "Libertinus Serif").replace("✕", "×")


def _text(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def _asset(name: str) -> Any:
    found = resources.files(__package__).joinpath(name)
    return found.read_bytes() if name.endswith(".typ") else found.read_text("utf-8")
