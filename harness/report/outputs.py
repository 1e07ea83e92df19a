"""Every output of a run, rendered from its result; all of it can be redone later."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

import msgspec

from harness.analysis.store import RunStore
from harness.model.assurance import Assurance
from harness.payments.errors import UserError
from harness.report import ctrf as ctrf_format
from harness.report.evidence import is_signed, write_sums
from harness.report.html import render, stylesheet
from harness.report.junit import junit_xml
from harness.report.pdf import write_pdf
from harness.report.prometheus import write_prometheus
from harness.report.result import Result, read, write
from harness.report.story import with_stories
from harness.report.summary import summary_md

STORE_NAME = "run.db"


def publish(result: Result, folder: Path) -> Result:
    """Write result.json, with the stories told from run.db, and everything that renders from it."""
    told = _told(result, folder)
    write(told, folder)
    _write_all(told, folder)
    return told


def render_again(folder: Path) -> Result:
    """Redo every output of a run directory from its result.json, which stays as it is.

    Raises UserError when there is no result of this version, or the run is signed.
    """
    if is_signed(folder):
        mend = "copy it without its signature to render it again"
        raise UserError(f"{folder} is signed: its files must not change", mend=mend)
    result = read(folder)
    if not result.stories:
        with suppress(sqlite3.Error):  # a run.db of another version: the result has all the rest
            result = _told(result, folder)
    _write_all(result, folder)
    return result


def publish_pdf(folder: Path, result: Result, assurance: Assurance | None) -> Path:
    """Write report.pdf, with another assurance block when one is given, and renew the sums.

    Raises UserError without the pdf extra.
    """
    if assurance is not None:
        given = assurance.model_dump(mode="json", exclude_none=True)
        result = msgspec.structs.replace(result, assurance=given)
    path = write_pdf(folder, result)
    write_sums(folder)
    return path


def publish_for_tools(result: Result, folder: Path, *, ctrf: bool, prometheus: Path | None) -> None:
    """Outputs that are written on request only. Raises UserError when one cannot be written."""
    if ctrf:
        (folder / ctrf_format.FILE_NAME).write_text(ctrf_format.ctrf_json(result), "utf-8")
        write_sums(folder)
    if prometheus is not None:
        write_prometheus(result, prometheus)


def _told(result: Result, folder: Path) -> Result:
    path = folder / STORE_NAME
    if not path.is_file():
        return result
    store = RunStore.open(path)
    told = with_stories(result, store)
    store.close()
    return told


def _write_all(result: Result, folder: Path) -> None:
    for name, text in (
        ("report.html", render(result)),
        ("report.css", stylesheet()),
        ("junit.xml", junit_xml(result)),
        ("summary.md", summary_md(result)),
    ):
        (folder / name).write_text(text, "utf-8")
    write_sums(folder)
