"""report.pdf: the compliance document, PDF/A-3a and PDF/UA-1, with result.json attached.

typst enforces conformance: it refuses to write anything else. No third party has validated it.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from paychain.payments.errors import UserError
from paychain.processes.files import write_atomically
from paychain.report.drawings.chain_map import chain_map
from paychain.report.drawings.plot import timeline
from paychain.report.pdf.classification import Classification, classify
from paychain.report.pdf.facts import facts, missing
from paychain.report.pdf.scripts import by_code_points, clean
from paychain.report.pdf.tables import tables
from paychain.report.result import FILE_NAME, Result
from paychain.report.text.wording import MARKS, headline

_LABEL = re.compile(r'aria-label="([^"]*)"')
_REMEDIATION = ("finding", "severity", "owner", "action", "due", "status")


def write_pdf(folder: Path, result: Result) -> Path:
    """Write report.pdf into a run directory.

    Text in a script that the embedded fonts lack is set in a font of the system, or shown by its
    code points where there is none. Raises UserError when typst is not installed, or cannot set the
    document.
    """
    try:
        import typst
    except ImportError as error:
        hint = "pip install 'paychain[pdf]'"
        raise UserError("the PDF report needs an extra package", hint=hint) from error
    ended = datetime.fromisoformat(result.ended_at)
    contents = document(result)
    attached = (folder / FILE_NAME).read_text("utf-8")
    # The first way gives the same bytes on every machine, and is enough for most documents.
    for data, has_system_fonts in (
        (contents, False),
        (contents, True),
        (by_code_points(contents), False),
    ):
        try:
            pdf = typst.compile(
                _asset("report.typ").encode(),
                ignore_system_fonts=not has_system_fonts,
                format="pdf",
                pdf_standards=["a-3a", "ua-1"],
                timestamp=int(ended.timestamp()),
                sys_inputs={"data": json.dumps(data), "result": attached},
            )
        except typst.TypstError as error:
            why = str(error).partition("\n")[0]
        else:
            path = folder / "report.pdf"
            write_atomically(path, pdf)
            return path
    raise UserError(
        f"cannot typeset the PDF report: {why}", hint="report.html has the same content"
    )


def document(result: Result) -> dict[str, Any]:
    """The contents of the document as plain data, by their names in report.typ."""
    assurance = result.assurance
    ended = datetime.fromisoformat(result.ended_at)
    classification = classify(
        result, assurance.get("daily", {}), assurance.get("critical_function")
    )
    sections = facts(result)
    contents = {
        "title": f"Resilience test of {result.chain.title or result.chain.name}",
        "author": assurance.get("entity") or "paychain",
        "date": [ended.year, ended.month, ended.day],
        "run_id": result.run_id,
        "verdict_line": f"{MARKS[result.verdict]} {headline(result)}",
        "reasons": result.reasons,
        **{
            name: [[label, _text(value)] for label, value in section]
            for name, section in sections.items()
        },
        "missing": missing(sections),
        "assumptions": assurance.get("assumptions", []),
        "charts": _charts(result),
        **tables(result),
        "classification": _classification(classification),
        "remediation": [
            [item.get(key) for key in _REMEDIATION] for item in assurance.get("findings", [])
        ],
        **_clauses(),
        "method": _method(result),
        "limits": _limits(result),
        "verify": [
            "sha256sum --check SHA256SUMS",
            f"paychain verify {result.run_id} --trust KEY.pub",
        ],
        "currency": result.chain.currency,
    }
    found: dict[str, Any] = clean(contents)
    return found


def _charts(result: Result) -> list[dict[str, str]]:
    """The panels of the timeline and the chain map, each with its alternative text."""
    drawings = [*timeline(result)[0], chain_map(result)]
    return [{"svg": _printable(svg), "alt": _LABEL.findall(svg)[0]} for svg in drawings]


def _classification(found: Classification) -> dict[str, Any]:
    words = {True: "yes", False: "no", None: "unknown"}
    return {
        "thresholds": [
            [item.article, item.text, item.observed, words[item.is_exceeded]]
            for item in found.thresholds
        ],
        "major": words[found.is_major],
        "reason": found.reason,
        "assumptions": found.assumptions,
    }


def _clauses() -> dict[str, Any]:
    """What a run provides evidence for, and what is out of scope."""
    listed = yaml.safe_load(_asset("clauses.yaml"))
    return {
        "clauses_note": f"Clause list of {listed['version']}. The wording is ours: read the "
        "original before you rely on it.",
        "clauses": [
            [
                f"{clause['id']}, {clause['instrument']}",
                clause["wording"],
                ", ".join(clause["shows"]),
                clause["not_shown"],
                f"{clause['verified_on']}, confidence {clause['confidence']} ({clause['source']})",
            ]
            for clause in listed["clauses"]
        ],
        "out_of_scope": [
            f"{clause['id']}: {clause['wording']}" for clause in listed["out_of_scope"]
        ],
    }


def _method(result: Result) -> list[str]:
    return [
        "Each link ran as a mock service, with a fault engine on every hop.",
        "Latency is measured from the intended start of each payment, so that a stalled chain "
        "cannot hide its queue.",
        "A timeout is an unknown outcome: neither a failure nor a success.",
        f"Reproduce: {result.command}",
    ]


def _limits(result: Result) -> list[str]:
    limits = [
        "The links are mock services: they show how the policies of the chain behave, not how "
        "the production systems of a provider do.",
        "Times were measured in a test environment and are not production recovery times.",
        "Only the listed faults were injected. This is not a penetration test.",
        "A signature shows that nothing changed after signing, not that the run was honest.",
    ]
    if result.experiment.time_scale != "1":
        limits.append(
            f"The timeline of the faults is compressed ({result.experiment.time_scale}); the "
            "timeouts of the policies are not."
        )
    return limits


def _printable(svg: str) -> str:
    """The SVG with a font that is embedded in the document; text in any other is not drawn."""
    svg = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    # The font has no ballot x, and typst uses no fallback font inside an image.
    return svg.replace("system-ui, sans-serif", "Libertinus Serif").replace("✕", "×")


def _text(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")
