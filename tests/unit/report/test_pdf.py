"""The compliance document: conforming, deterministic, and nothing invented."""

from __future__ import annotations

import shutil
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec
import pytest

from paychain.model.loading import FileMistakes, load_assurance
from paychain.report.pdf.classification import classify
from paychain.report.pdf.document import document, write_pdf
from paychain.report.pdf.scripts import NOTE, by_code_points
from paychain.report.result import Result, read
from tests.support.paths import DOCS, SAMPLE

ASSURANCE = """\
entity: Example Payments
critical_function: card acceptance
scenario: {type: scenario, expected_to_hold: "no"}
daily: {transactions: 2000000, value: 80000000.00, clients: 1500000}
findings: [{finding: one edge provider, owner: Ada, severity: high, status: open}]
"""


def result_with(
    daily: dict[str, Any], *, lost: float, recovery_s: float | None, scale: str
) -> Result:
    """The sample with an outage of 43 s in which a share of the payments is lost."""
    result = read(SAMPLE)
    phases = [
        msgspec.structs.replace(phase, start_s=10, end_s=53, technical_success=1 - lost)
        if phase.kind == "during"
        else phase
        for phase in result.phases
    ]
    return msgspec.structs.replace(
        result,
        phases=phases,
        experiment=msgspec.structs.replace(result.experiment, time_scale=scale),
        recovery=msgspec.structs.replace(result.recovery, recovery_s=recovery_s),
        assurance={"daily": daily},
    )


def test_the_thresholds_are_scaled_to_the_outage_and_the_day() -> None:
    daily = {"transactions": 2_000_000, "value": "80000000.00", "clients": 1_500_000}
    # 43 s at 1/480 are 20,640 s = 5.73 h of 24: 23.89 % of a day; half of it lost: 11.94 %.
    # 11.94 % of 1.5 million clients are 179,167; back after 15 s = 2 h: down for 7.73 h.
    result = result_with(daily, lost=0.5, recovery_s=15, scale="1/480")
    found = classify(result, daily, "card acceptance")
    observed = {item.article: (item.observed, item.is_exceeded) for item in found.thresholds}
    assert observed["9(1)(a)"] == ("11.9%", True)
    assert observed["9(1)(b)"] == ("179,167", True)
    assert observed["9(1)(d)"] == ("238,889 (11.9%)", True)
    assert observed["9(3)"] == ("5.7 h, down 7.7 h", True)
    assert found.is_major is True


def test_what_is_not_declared_is_unknown() -> None:
    result = result_with({}, lost=0.5, recovery_s=15, scale="1/480")
    found = classify(result, {}, "card acceptance")
    assert {item.is_exceeded for item in found.thresholds if item.article.startswith("9(1)")} == {
        None
    }
    assert found.is_major is None  # 9(3) is met, 9(1) could be
    assert classify(result, {}, None).is_major is None


def test_an_outage_that_lost_nothing_is_not_major() -> None:
    daily = {"transactions": 2_000_000, "value": "80000000.00", "clients": 1_500_000}
    result = result_with(daily, lost=0.0, recovery_s=0, scale="1/480")
    assert classify(result, daily, "card acceptance").is_major is False


def test_a_document_names_what_is_missing_and_invents_nothing() -> None:
    written = document(read(SAMPLE))
    assert ["Entity", None] in written["scope"]
    assert {"Entity", "Independence", "Prepared"} <= set(written["missing"])


def test_every_clause_says_what_is_not_shown_and_how_sure_it_is() -> None:
    for clause in document(read(SAMPLE))["clauses"]:
        assert all(clause)
        assert "confidence" in clause[-1]


def test_nothing_claims_compliance() -> None:
    text = str(document(read(SAMPLE))).lower()
    assert "complies with" not in text
    assert "compliant" not in text


def test_the_pdf_conforms_and_is_the_same_every_time(tmp_path: Path) -> None:
    pytest.importorskip("typst", reason="the pdf extra is not installed")
    run = tmp_path / "run"
    shutil.copytree(SAMPLE, run)
    (tmp_path / "who.yaml").write_text(ASSURANCE)
    given = load_assurance(tmp_path / "who.yaml").model.model_dump(mode="json", exclude_none=True)
    result = msgspec.structs.replace(read(run), assurance=given)
    first = write_pdf(run, result).read_bytes()  # typst refuses what does not conform
    assert write_pdf(run, result).read_bytes() == first
    assert b"pdfuaid:part>1<" in first
    assert b"pdfaid:part>3<" in first
    assert b"result.json" in first


def test_a_mistake_in_an_assurance_file_has_its_place(tmp_path: Path) -> None:
    (tmp_path / "who.yaml").write_text(ASSURANCE.replace("entity", "entitty"))
    with pytest.raises(FileMistakes, match=r"who\.yaml:1:1: unknown key 'entitty'; did you mean"):
        load_assurance(tmp_path / "who.yaml")


def test_hostile_text_is_only_text(tmp_path: Path) -> None:
    pytest.importorskip("typst", reason="the pdf extra is not installed")
    run = tmp_path / "run"
    shutil.copytree(SAMPLE, run)
    hostile = '#panic("x") ] } \\ $ @nobody <label> `'
    result = msgspec.structs.replace(read(run), reasons=[hostile], assurance={"entity": hostile})
    assert write_pdf(run, result).stat().st_size > 10_000


def test_the_assurance_file_of_the_documentation_is_one(tmp_path: Path) -> None:
    page = (DOCS / "evidence.md").read_text("utf-8")
    path = tmp_path / "assurance.yaml"
    path.write_text(page.split("```yaml\n")[1].split("```")[0], "utf-8")
    assert load_assurance(path).model.people.approved_by == "…"


def test_a_document_in_any_script_is_set(tmp_path: Path) -> None:
    pytest.importorskip("typst")
    titles = [
        "支付 结算",
        "บัตรเครดิต",
        "💳 shop",
        "क्रेडिट",
        "\u1b83",
        "a\x1b[31m\u202eb\x00",
        "\U0010ffff\ue000",
    ]
    result = read(SAMPLE)
    chain = msgspec.structs.replace(
        result.chain,
        title=" ".join(titles),
        links=[
            msgspec.structs.replace(link, title=title)
            for link, title in zip(result.chain.links, cycle(titles), strict=False)
        ],
    )
    changed = msgspec.structs.replace(
        result, chain=chain, assurance={"entity": titles[0], "assumptions": titles}
    )
    shutil.copy(SAMPLE / "result.json", tmp_path)
    assert write_pdf(tmp_path, changed).read_bytes().startswith(b"%PDF")


def test_what_no_font_has_is_shown_by_its_code_point() -> None:
    shown = by_code_points({"reasons": ["支 Zürich € ≥ Ж"], "rows": [["กx", None, 3]]})
    assert shown["reasons"] == [NOTE, "[U+652F] Zürich € ≥ Ж"]
    assert shown["rows"] == [["[U+0E01]x", None, 3]]
