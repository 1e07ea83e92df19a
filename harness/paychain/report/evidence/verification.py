"""Verifies that a run is what a trusted key signed: every file, no more and no less."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from paychain.payments.errors import UserError
from paychain.processes.files import sha256
from paychain.report.evidence.dsse import BadEnvelope, opened
from paychain.report.evidence.files import (
    ENVELOPES,
    RUN_PREDICATE,
    STATEMENT,
    SUMS,
    files,
    is_signed,
    read_sums,
)

MAX_LINES = 100  # of the envelopes; paychain writes two


@dataclass(frozen=True)
class Verified:
    """The result of verifying a run."""

    run: str
    complaints: tuple[str, ...]  # empty when the run is sound
    facts: dict[str, Any]  # the signed predicate; empty when no trusted key signed one

    @property
    def is_sound(self) -> bool:
        """Whether every file is as it was signed."""
        return not self.complaints


def verify_run(folder: Path, trusted: Sequence[Ed25519PublicKey]) -> Verified:
    """Check the files of a run against its statements. Raises UserError when it is not signed."""
    if not is_signed(folder):
        raise UserError(f"{folder} is not signed", hint="sign it: paychain sign RUN")
    lines = (folder / ENVELOPES).read_text("utf-8", "replace").splitlines()[: MAX_LINES + 1]
    if len(lines) > MAX_LINES:
        return Verified(folder.name, (f"{ENVELOPES} has too many lines",), {})
    complaints: list[str] = []
    about_run: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            statement = _statement(opened(line, list(trusted)))
        except BadEnvelope as bad:
            complaints.append(f"{ENVELOPES}:{number}: {bad}")
            continue
        if statement["predicateType"] == RUN_PREDICATE:
            about_run.append(statement)
    if len(about_run) != 1:
        what = "no statement about the run" if not about_run else "more than one statement"
        return Verified(folder.name, (*complaints, f"{what} from a trusted key"), {})
    (statement,) = about_run
    facts = statement["predicate"]
    complaints += _files_as_signed(folder, statement["subject"])
    complaints += _sums_as_signed(folder)
    if facts.get("run") != folder.resolve().name:
        complaints.append(f"the folder is named {folder.name}, but the run is {facts.get('run')}")
    return Verified(folder.name, tuple(complaints), facts)


def verify_history(folder: Path, trusted: Sequence[Ed25519PublicKey]) -> list[Verified]:
    """Verify all runs of a folder, oldest first, and that each names the run before it."""
    found = []
    before: Path | None = None
    for run in sorted(path for path in folder.iterdir() if (path / "result.json").is_file()):
        if not is_signed(run):
            found.append(Verified(run.name, ("not signed",), {}))
            continue
        verified = verify_run(run, trusted)
        complaints = list(verified.complaints)
        if verified.facts:
            complaints += _follows(verified.facts.get("previous"), before)
        found.append(Verified(run.name, tuple(complaints), verified.facts))
        before = run
    return found


def _follows(previous: Any, before: Path | None) -> list[str]:
    expected = None
    if before is not None:
        expected = {"run": before.name, "digest": {"sha256": sha256(before / ENVELOPES)}}
    if previous == expected:
        return []
    named = previous.get("run") if isinstance(previous, dict) else None
    if expected is None:
        return [f"the previous run, {named}, is missing"]
    if named != expected["run"]:
        return [f"its previous run is {named}, but the folder has {expected['run']} before it"]
    return [f"the previous run, {named}, was rewritten after this run was signed"]


def _statement(payload: bytes) -> dict[str, Any]:
    try:
        statement = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise BadEnvelope("the signed payload is not JSON") from error
    if not isinstance(statement, dict) or statement.get("_type") != STATEMENT:
        raise BadEnvelope("the signed payload is not an in-toto statement")
    if not isinstance(statement.get("predicate"), dict):
        raise BadEnvelope("the statement has no predicate")
    if not isinstance(statement.get("predicateType"), str):
        raise BadEnvelope("the statement has no predicate type")
    return statement


def _files_as_signed(folder: Path, subjects: Any) -> list[str]:
    try:
        signed = {subject["name"]: subject["digest"]["sha256"] for subject in subjects}
    except (TypeError, KeyError):
        return ["the subjects of the statement are not readable"]
    if len(signed) != len(subjects):
        return ["the statement names a file twice"]
    present = {**dict(files(folder)), SUMS: folder / SUMS}
    complaints = [f"{name} was added" for name in sorted(present.keys() - signed.keys())]
    complaints += [f"{name} is missing" for name in sorted(signed.keys() - present.keys())]
    for name in sorted(present.keys() & signed.keys()):
        if not present[name].is_file():
            complaints.append(f"{name} is missing")
        elif sha256(present[name]) != signed[name]:
            complaints.append(f"{name} was changed")
    return complaints


def _sums_as_signed(folder: Path) -> list[str]:
    """Whether SHA256SUMS, which is a subject itself, also agrees with the files."""
    try:
        sums = read_sums(folder)
    except UserError as error:
        return [str(error)]
    actual = {name: sha256(path) for name, path in files(folder)}
    return [] if sums == actual else [f"{SUMS} does not agree with the files"]
