"""The matrix of a chain: which standard fault in which link breaks payments or costs money."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, tostring

import msgspec
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from paychain.analysis.measures.measures import Phase, Verdict
from paychain.declaration.quantity import count
from paychain.declaration.reading import read_bounded
from paychain.payments.errors import UserError
from paychain.payments.money import written
from paychain.processes.files import write_atomically
from paychain.report.ci.checks import plain
from paychain.report.ci.github import MAX_ANNOTATIONS, annotation
from paychain.report.ci.junit import add_outcome, add_output
from paychain.report.html.page import asset, csp_hash, stylesheet
from paychain.report.result import MAX_BYTES, Result
from paychain.report.text.wording import share

FILE_NAME = "matrix.json"
SCHEMA = "paychain/matrix/v1"
State = Literal["held", "degraded", "broke", "money wrong", "not tried", "not run"]
MARKS: dict[State, str] = {
    "held": "✓",
    "degraded": "▲",
    "broke": "✕",
    "money wrong": "‼",
    "not tried": "○",
    "not run": "–",
}
_CLASSES: dict[State, str] = {
    "held": "good",
    "degraded": "warm",
    "broke": "bad-cell",
    "money wrong": "bad-cell",
    "not tried": "none",
    "not run": "none",
}
WORST_FIRST: tuple[State, ...] = (
    "money wrong",
    "broke",
    "degraded",
    "held",
    "not tried",
    "not run",
)
# A cell still counts as held with a success this far below the baseline and a p95 of up to the
# factor times the baseline plus the milliseconds: chance alone reaches these.
SUCCESS_MARGIN = 0.01
P95_FACTOR, P95_MARGIN_MS = 1.5, 50.0
MAX_LISTED = 20  # broken cells in the terminal


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One fault in one link."""

    link: str
    fault: str
    state: State
    text: str  # what was observed, or why it was not run
    success: float | None = None  # technical success while the fault was active
    broke: int = 0  # payments
    amount: int = 0  # minor units at risk, or wrong
    run: str = ""  # run directory relative to the matrix; empty when there was no run
    command: str = ""  # reproduces the cell


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """All cells of one chain, ordered by link, then by fault."""

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
    providers: dict[str, list[str]] = {}  # of each link that names any
    part: str = ""  # "2/4": the cells of the other parts were not run
    digest: str = ""  # SHA-256 of the chain's and the faults' files: parts of one job share it
    version: str = ""  # of paychain, which parts of one job share as well

    def counts(self) -> dict[State, int]:
        """Number of cells in each state, worst first."""
        counts = Counter(cell.state for cell in self.cells)
        return {state: counts[state] for state in WORST_FIRST}

    @property
    def is_sound(self) -> bool:
        """No cell broke, and no money went wrong."""
        return not any(cell.state in ("broke", "money wrong") for cell in self.cells)


def not_run(link: str, fault: str, why: str) -> Cell:
    """A cell without a run."""
    return Cell(link=link, fault=fault, state="not run", text=why)


def judge_cell(link: str, fault: str, result: Result, run: Path) -> Cell:
    """The cell of a run in the directory `run`, which is relative to the matrix."""
    during = _phase(result, "during")
    amount = sum(group.amount for group in result.breaks)
    broken = [rule for rule in result.money.rules if rule.findings]
    state: State
    # Worst first: wrong money matters more than a breached tolerance, and that more than a margin.
    was_missed = any(fault.was_missed for fault in result.faults)
    if result.verdict is Verdict.INCONCLUSIVE:
        state, text = "not tried" if was_missed else "not run", "; ".join(result.reasons)
    elif broken:
        # Counted once per payment, although several rules may have found it.
        amount = result.money.wrong
        rules = ", ".join(rule.title.lower() for rule in broken)
        state, text = "money wrong", f"{rules}: {written(amount, result.chain.currency)}"
    elif result.verdict is Verdict.FAIL:
        state, text = "broke", "; ".join(result.reasons)
    elif was_missed:
        # A link that no payment needs loses nothing: that does not prove that the chain holds.
        state, text = "not tried", "; ".join(result.reasons)
    elif during is not None and (why := _degraded(result, during)):
        state, text = "degraded", why
    else:
        state, text = "held", f"success {share(during.technical_success if during else None)}"
    return Cell(
        link=link,
        fault=fault,
        state=state,
        text=text,
        success=during.technical_success if during is not None else None,
        broke=sum(group.payments for group in result.breaks),
        amount=amount,
        run=run.as_posix(),
        command=result.command,
    )


def _phase(result: Result, kind: str) -> Phase | None:
    return next((phase for phase in result.phases if phase.kind == kind), None)


def _degraded(result: Result, during: Phase) -> str:
    """What got worse than before the fault by more than the margins; empty when nothing did."""
    before = _phase(result, "before")
    if before is None:
        return ""
    if (
        before.technical_success is not None
        and during.technical_success is not None
        and during.technical_success < before.technical_success - SUCCESS_MARGIN
    ):
        return f"success {share(during.technical_success)}"
    if (
        before.p95_ms is not None
        and during.p95_ms is not None
        and during.p95_ms > before.p95_ms * P95_FACTOR + P95_MARGIN_MS
    ):
        return f"p95 {during.p95_ms:,.0f} ms instead of {before.p95_ms:,.0f} ms"
    return ""


def write_matrix(matrix: Matrix, folder: Path) -> None:
    """Write matrix.json and everything that renders from it into a folder."""
    path = folder / FILE_NAME
    write_atomically(path, msgspec.json.format(msgspec.json.encode(matrix), indent=2) + b"\n")
    write_atomically(folder / "matrix.html", render(matrix))
    write_atomically(folder / "report.css", stylesheet())
    write_atomically(folder / "junit.xml", junit_xml(matrix))


def is_matrix(folder: Path) -> bool:
    """Whether a matrix was written into this folder."""
    return (folder / FILE_NAME).is_file()


def read_matrix(folder: Path) -> Matrix:
    """The matrix of a folder. Raises UserError when there is none."""
    try:
        return msgspec.json.decode(read_bounded(folder / FILE_NAME, MAX_BYTES), type=Matrix)
    except (OSError, UserError, msgspec.MsgspecError) as error:
        raise UserError(
            f"no {FILE_NAME} in {folder}", hint="name a directory that paychain matrix wrote"
        ) from error


def junit_xml(matrix: Matrix) -> str:
    """One case per cell, named by link and fault. A degraded cell passes, with a note."""
    suite = Element("testsuite", name=f"paychain.{matrix.chain}.matrix")
    counts = matrix.counts()
    for cell in matrix.cells:
        case = SubElement(
            suite, "testcase", classname=f"paychain.{matrix.chain}.{cell.link}", name=cell.fault
        )
        match cell.state:
            case "broke" | "money wrong":
                message = f"{cell.state}: {cell.text}"
                add_outcome(case, "failure", message, message, f"reproduce: {cell.command}")
            case "not run":
                add_outcome(case, "skipped", cell.text)
            case "not tried":
                add_outcome(case, "skipped", f"not tried: {cell.text}")
            case "degraded":
                add_output(case, f"degraded: {cell.text}")
            case "held":
                add_output(case, cell.text)
    suite.attrib.update(
        tests=str(len(matrix.cells)),
        failures=str(counts["broke"] + counts["money wrong"]),
        skipped=str(counts["not run"] + counts["not tried"]),
        errors="0",
    )
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suite, encoding="unicode") + "\n"


def broken_cells(matrix: Matrix) -> list[str]:
    """A workflow command of GitHub for each cell that broke."""
    broken = [cell for cell in matrix.cells if cell.state in ("broke", "money wrong")]
    lines = [
        annotation(
            "error",
            {"title": f"{cell.link} × {cell.fault}: {cell.state}"},
            f"{cell.text}\nreproduce: {cell.command}",
        )
        for cell in broken[:MAX_ANNOTATIONS]
    ]
    if (more := len(broken) - MAX_ANNOTATIONS) > 0:
        lines.append(annotation("error", {"title": "matrix"}, f"and {more} more broken cells"))
    return lines


def render(matrix: Matrix) -> str:
    """The page as HTML; its links to the runs of the cells are relative to the matrix."""
    style = stylesheet()
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    page = environment.from_string(asset("matrix.html.j2")).render(
        m=matrix,
        size=f"{count(len(matrix.links), 'link')} × {count(len(matrix.faults), 'fault')}",
        cells=count(len(matrix.cells), "cell"),
        style=Markup(style),  # noqa: S704  (our own style sheet)
        style_hash=csp_hash(style),
        marks=MARKS,
        classes=_CLASSES,
        counts=matrix.counts(),
        grid=_grid(matrix),
        bad=[cell for cell in matrix.cells if cell.state in ("broke", "money wrong")],
    )
    return plain(page)


def _grid(matrix: Matrix) -> tuple[bool, list[tuple[str, list[Cell]]]]:
    """Whether its rows are faults, and the rows: a table is rather long than wide."""
    links, faults = matrix.links, matrix.faults
    cells = {(cell.link, cell.fault): cell for cell in matrix.cells}
    if len(faults) > len(links):
        return True, [(fault, [cells[link, fault] for link in links]) for fault in faults]
    return False, [(link, [cells[link, fault] for fault in faults]) for link in links]


def counts_line(matrix: Matrix) -> str:
    """How many cells have each state."""
    return ", ".join(f"{MARKS[state]} {state} {count}" for state, count in matrix.counts().items())


def inconclusive_lines(matrix: Matrix) -> list[str]:
    """Why runs have no verdict: the harness or its machine failed there, not the chain."""
    cells = [cell for cell in matrix.cells if cell.state == "not run" and cell.run]
    lines = [
        f"{MARKS[cell.state]} {cell.link} × {cell.fault}: {cell.text}"
        for cell in cells[:MAX_LISTED]
    ]
    more = len(cells) - MAX_LISTED
    return [*lines, f"and {more} more"] if more > 0 else lines


def terminal_lines(matrix: Matrix) -> list[str]:
    """The matrix for a terminal: a row per link, a mark per fault."""
    width = max(map(len, matrix.links), default=0)
    cells = {(cell.link, cell.fault): cell for cell in matrix.cells}
    names = list(matrix.faults)
    lines = [f"{'':<{width}}  " + " ".join(f"{number:>2}" for number in range(1, len(names) + 1))]
    lines += [
        f"{link:<{width}}  " + " ".join(f" {MARKS[cells[link, fault].state]}" for fault in names)
        for link in matrix.links
    ]
    lines += [
        f"{number:>2} {name}: {title}"
        for number, (name, title) in enumerate(matrix.faults.items(), start=1)
    ]
    lines.append(counts_line(matrix))
    worst = [cell for state in WORST_FIRST[:2] for cell in matrix.cells if cell.state == state]
    lines += [
        f"{MARKS[cell.state]} {cell.link} × {cell.fault}: {cell.text}"
        for cell in worst[:MAX_LISTED]
    ]
    if len(worst) > MAX_LISTED:
        lines.append(f"and {len(worst) - MAX_LISTED} more")
    missed = [f"{cell.link} × {cell.fault}" for cell in matrix.cells if cell.state == "not tried"]
    if missed:
        more = f" and {len(missed) - MAX_LISTED} more" if len(missed) > MAX_LISTED else ""
        listed = ", ".join(missed[:MAX_LISTED]) + more
        lines.append(f"{MARKS['not tried']} not tried, the fault affected no traffic: {listed}")
    return [*lines, *inconclusive_lines(matrix)]
