"""Every output of a run, rendered from its result. All of them can be rendered again later.

A run directory may be somebody else's, and hold links: none of them is written through.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from paychain.analysis.store.store import RunStore
from paychain.model.assurance import Assurance
from paychain.payments.errors import UserError
from paychain.processes.files import refuse_unwritable, sha256, write_atomically
from paychain.report.ci import ctrf as ctrf_format
from paychain.report.ci.junit import junit_xml
from paychain.report.ci.prometheus import write_prometheus
from paychain.report.evidence.files import SUMS, differences, files, read_sums, write_sums
from paychain.report.evidence.history import is_signed
from paychain.report.html.page import render, stylesheet
from paychain.report.pdf.document import write_pdf
from paychain.report.result import Result, read, write
from paychain.report.text.payment_timeline import with_timelines
from paychain.report.text.summary import summary_md

STORE_NAME = "run.db"
# What every run directory gets beside result.json, by file name. A new format is a module like
# text/summary.py with a function of the result, and a line here.
OUTPUTS: dict[str, Callable[[Result], str]] = {
    "report.html": render,
    "report.css": lambda _: stylesheet(),
    "junit.xml": junit_xml,
    "summary.md": summary_md,
}


def publish(result: Result, folder: Path) -> Result:
    """Write result.json with the payment timelines of run.db, and all that renders from it.

    Raises OSError. A run.db that cannot be read costs the timelines only.
    """
    with suppress(sqlite3.Error, UserError):
        result = _with_timelines(result, folder)
    write(result, folder)
    _write_all(result, folder)
    return result


def render_again(folder: Path) -> Result:
    """Render every output of a run directory again from its result.json, which does not change.

    Raises UserError when there is no result of this schema version, the run is signed, or what the
    outputs are rendered from is not as SHA256SUMS says: new sums would hide that.
    """
    if is_signed(folder):
        hint = "copy it without its signature, then render the copy"
        raise UserError(f"{folder} is signed and must not change", hint=hint)
    refuse_changed(folder)
    refuse_unwritable(folder)
    result = read(folder)
    if not result.timelines:
        # Only the timelines need run.db; one that cannot be read leaves the rest complete.
        with suppress(sqlite3.Error, UserError):
            result = _with_timelines(result, folder)
    _write_all(result, folder)
    return result


def publish_pdf(folder: Path, result: Result, assurance: Assurance | None) -> Path:
    """Write report.pdf, with `assurance` in place of the experiment's if given; renew the sums.

    Raises UserError without the pdf extra.
    """
    if assurance is not None:
        given = assurance.model_dump(mode="json", exclude_none=True)
        result = msgspec.structs.replace(result, assurance=given)
    path = write_pdf(folder, result)
    write_sums(folder)
    return path


def publish_for_tools(result: Result, folder: Path, *, ctrf: bool, prometheus: Path | None) -> None:
    """Write the outputs that are only written on request. Raises UserError if that fails."""
    if ctrf:
        write_atomically(folder / ctrf_format.FILE_NAME, ctrf_format.ctrf_json(result))
        write_sums(folder)
    if prometheus is not None:
        write_prometheus(prometheus, result)


def refuse_changed(folder: Path, *, made_anew: tuple[str, ...] = ()) -> None:
    """What is rendered or `made_anew` may differ from SHA256SUMS, if there is one; nothing else.

    Raises UserError: new sums would hide what was changed.
    """
    if not (folder / SUMS).exists():
        return
    rendered = {*OUTPUTS, ctrf_format.FILE_NAME, "report.pdf", *made_anew}
    sums = read_sums(folder)
    kept = {name: digest for name, digest in sums.items() if name not in rendered}
    present = dict(files(folder))
    actual = {name: sha256(present[name]) for name in kept if name in present}
    for wrong in differences(kept, actual):
        raise UserError(
            f"{folder} is not as {SUMS} says: {wrong}",
            hint="nothing but paychain may change a run: run it again",
        )


def _with_timelines(result: Result, folder: Path) -> Result:
    path = folder / STORE_NAME
    if not path.is_file():
        return result
    store = RunStore.open(path)
    result = with_timelines(result, store)
    store.close()
    return result


def _write_all(result: Result, folder: Path) -> None:
    for name, text_of in OUTPUTS.items():
        write_atomically(folder / name, text_of(result))
    write_sums(folder)
