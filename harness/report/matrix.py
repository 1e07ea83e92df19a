"""The matrix of a chain: which standard fault of which link breaks payments, or costs money."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, tostring

import msgspec
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from harness.analysis.measured import Phase, Verdict
from harness.payments.errors import UserError
from harness.payments.money import written
from harness.report.html import asset, csp_hash, stylesheet
from harness.report.junit import add_output, say
from harness.report.result import Result
from harness.report.wording import share

FILE_NAME = "matrix.json"
SCHEMA = "paychain/matrix/v1"
State = Literal["held", "degraded", "broke", "money wrong", "not run"]
MARKS: dict[State, str] = {
    "held": "✓", "degraded": "▲", "broke": "✕", "money wrong": "‼", "not run": "–",
}  # fmt: skip
_CLASSES: dict[State, str] = {
    "held": "good", "degraded": "warm", "broke": "bad-cell", "money wrong": "bad-cell",
    "not run": "none",
}  # fmt: skip
WORST: tuple[State, ...] = ("money wrong", "broke", "degraded", "held", "not run")
POINT = 0.01  # success may be so much below the baseline and still count as held
SLOWER, SLOWER_MS = 1.5, 50.0  # p95 may be so much above the baseline's and still count as held


class Cell(msgspec.Struct, frozen=True):
    """One fault of one link. `run` is relative to the matrix; "" when it was not run."""

    link: str
    fault: str
    state: State
    text: str  # what was seen, or why it was not run
    success: float | None = None  # technical success while the fault held
    broke: int = 0
    amount: int = 0  # minor units at risk or wrong
    run: str = ""
    command: str = ""  # repeats the cell


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """All cells of one chain, in order of links, then faults."""

    schema: str = SCHEMA
    chain: str
    title: str
    seed: int
    virtual: bool
    command: str
    interrupted: bool
    links: list[str]
    faults: dict[str, str]  # name -> title
    cells: list[Cell]

    def counts(self) -> dict[State, int]:
        """How many cells are in each state, worst first."""
        found = Counter(one.state for one in self.cells)
        return {state: found[state] for state in WORST}

    @property
    def is_sound(self) -> bool:
        """No cell broke, and no money went wrong."""
        return not any(one.state in ("broke", "money wrong") for one in self.cells)


def not_run(link: str, fault: str, why: str) -> Cell:
    """A cell without a run."""
    return Cell(link, fault, "not run", why)


def judge_cell(link: str, fault: str, result: Result, run: Path) -> Cell:
    """What one cell's run showed, worst first: money, tolerances, then success and latency."""
    during = next((one for one in result.phases if one.kind == "during"), None)
    success = during.technical_success if during is not None else None
    broke = sum(one.payments for one in result.breaks)
    amount = sum(one.amount for one in result.breaks)
    state: State
    wrong = [rule for rule in result.money.rules if rule.findings]
    if result.verdict is Verdict.INCONCLUSIVE:
        state, text = "not run", "; ".join(result.reasons)
    elif wrong:
        amount = result.money.wrong  # once, however many rules say so
        money = written(amount, result.chain.currency)
        rules = ", ".join(rule.title.lower() for rule in wrong)
        state, text = "money wrong", f"{rules}: {money}"
    elif result.verdict is Verdict.FAIL:
        state, text = "broke", "; ".join(result.reasons)
    elif during is not None and (why := _degraded(result, during)):
        state, text = "degraded", why
    else:
        state, text = "held", f"success {share(success)}"
        if any(one.applied_s is not None and one.hits == 0 for one in result.faults):
            text += "; the fault met no traffic"
    return Cell(link, fault, state, text, success, broke, amount, run.as_posix(), result.command)


def _degraded(result: Result, during: Phase) -> str:
    before = next((one for one in result.phases if one.kind == "before"), None)
    if before is None:
        return ""
    if (
        before.technical_success is not None
        and during.technical_success is not None
        and during.technical_success < before.technical_success - POINT
    ):
        return f"success {share(during.technical_success)}"
    if (
        before.p95_ms is not None
        and during.p95_ms is not None
        and during.p95_ms > before.p95_ms * SLOWER + SLOWER_MS
    ):
        return f"p95 {during.p95_ms:,.0f} ms instead of {before.p95_ms:,.0f} ms"
    return ""


def write_matrix(matrix: Matrix, folder: Path) -> None:
    """Write matrix.json and everything that renders from it."""
    path = folder / FILE_NAME
    scratch = path.with_suffix(".tmp")
    scratch.write_bytes(msgspec.json.format(msgspec.json.encode(matrix), indent=2) + b"\n")
    scratch.replace(path)
    (folder / "matrix.html").write_text(render(matrix), "utf-8")
    (folder / "report.css").write_text(stylesheet(), "utf-8")
    (folder / "junit.xml").write_text(junit_xml(matrix), "utf-8")


def read_matrix(folder: Path) -> Matrix:
    """A matrix that was written. Raises UserError when there is none."""
    try:
        return msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=Matrix)
    except (OSError, msgspec.MsgspecError) as error:
        raise UserError(f"no {FILE_NAME} in {folder}", mend="name a matrix directory") from error


def junit_xml(matrix: Matrix) -> str:
    """One case per cell, named by link and fault. Degraded passes and says so."""
    suite = Element("testsuite", name=f"paychain.{matrix.chain}.matrix")
    counts = matrix.counts()
    for cell in matrix.cells:
        case = SubElement(
            suite, "testcase", classname=f"paychain.{matrix.chain}.{cell.link}", name=cell.fault
        )
        match cell.state:
            case "broke" | "money wrong":
                said = f"{cell.state}: {cell.text}"
                say(case, "failure", said, said, f"repeat: {cell.command}")
            case "not run":
                say(case, "skipped", cell.text)
            case "degraded":
                add_output(case, f"degraded: {cell.text}")
            case "held":
                add_output(case, cell.text)
    suite.attrib.update(
        tests=str(len(matrix.cells)), failures=str(counts["broke"] + counts["money wrong"]),
        skipped=str(counts["not run"]), errors="0",
    )  # fmt: skip
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suite, encoding="unicode") + "\n"


def render(matrix: Matrix) -> str:
    """The page: one self-contained file beside its cells' runs."""
    style = stylesheet()
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    cells = {(one.link, one.fault): one for one in matrix.cells}
    return environment.from_string(asset("matrix.html.j2")).render(
        m=matrix,
        style=Markup(style),  # noqa: S704  (our own asset)
        style_hash=csp_hash(style),
        marks=MARKS,
        classes=_CLASSES,
        counts=matrix.counts(),
        rows=[(link, [cells[link, fault] for fault in matrix.faults]) for link in matrix.links],
        bad=[one for one in matrix.cells if one.state in ("broke", "money wrong")],
    )


def terminal_lines(matrix: Matrix) -> list[str]:
    """The matrix for a terminal: a row per link, a mark per fault."""
    width = max(map(len, matrix.links), default=0)
    cells = {(one.link, one.fault): one for one in matrix.cells}
    names = list(matrix.faults)
    lines = [f"{'':<{width}}  " + " ".join(f"{number:>2}" for number in range(1, len(names) + 1))]
    lines += [
        f"{link:<{width}}  " + " ".join(f" {MARKS[cells[link, fault].state]}" for fault in names)
        for link in matrix.links
    ]
    lines += [f"{number:>2} {name}: {title}" for number, (name, title) in
              enumerate(matrix.faults.items(), start=1)]  # fmt: skip
    lines.append(
        ", ".join(f"{MARKS[state]} {state} {count}" for state, count in matrix.counts().items())
    )
    worst = [one for state in WORST[:2] for one in matrix.cells if one.state == state]
    lines += [f"{MARKS[one.state]} {one.link} × {one.fault}: {one.text}" for one in worst[:20]]
    if len(worst) > 20:
        lines.append(f"and {len(worst) - 20} more")
    return lines
