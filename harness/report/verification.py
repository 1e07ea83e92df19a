"""Whether a run is what was signed: every file, nothing more, nothing less, by a trusted key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from harness.payments.errors import UserError
from harness.report.dsse import BadEnvelope, opened
from harness.report.evidence import (
    ENVELOPES,
    RUN_PREDICATE,
    STATEMENT,
    SUMS,
    files,
    is_signed,
    read_sums,
    sha256,
)

MAX_LINES = 100


@dataclass(frozen=True)
class Verified:
    """What verification found out about one run; sound when there are no complaints."""

    run: str
    complaints: tuple[str, ...]
    facts: dict[str, Any]  # the signed predicate; empty when no trusted key signed one

    @property
    def is_sound(self) -> bool:
        """Every file is as it was signed."""
        return not self.complaints


def verify_run(folder: Path, trusted: Sequence[Ed25519PublicKey]) -> Verified:
    """Check a run's files against its statements. Raises UserError when it is no signed run."""
    if not is_signed(folder):
        raise UserError(f"{folder} is not signed", mend="paychain sign RUN")
    lines = (folder / ENVELOPES).read_text("utf-8", "replace").splitlines()[: MAX_LINES + 1]
    if len(lines) > MAX_LINES:
        return Verified(folder.name, (f"{ENVELOPES} holds too many lines",), {})
    complaints: list[str] = []
    ours: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            statement = _statement(opened(line, list(trusted)))
        except BadEnvelope as bad:
            complaints.append(f"{ENVELOPES}:{number}: {bad}")
            continue
        if statement["predicateType"] == RUN_PREDICATE:
            ours.append(statement)
    if len(ours) != 1:
        what = "no statement about the run" if not ours else "more than one statement"
        return Verified(folder.name, (*complaints, f"{what} by a trusted key"), {})
    (statement,) = ours
    facts = statement["predicate"]
    complaints += _files_as_signed(folder, statement["subject"])
    complaints += _sums_as_signed(folder)
    if facts.get("run") != folder.resolve().name:
        complaints.append(f"the folder is called {folder.name}, the run {facts.get('run')}")
    return Verified(folder.name, tuple(complaints), facts)


def verify_history(folder: Path, trusted: Sequence[Ed25519PublicKey]) -> list[Verified]:
    """Every run of a folder, oldest first, and whether each follows the one before it."""
    found = []
    before: Path | None = None
    for run in sorted(one for one in folder.iterdir() if (one / "result.json").is_file()):
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
        return [f"it names {named} as the run before it, which is missing"]
    if named != expected["run"]:
        return [f"it names {named} as the run before it; here that is {expected['run']}"]
    return [f"the run before it, {named}, is not the one it names: it was rewritten"]


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
        signed = {one["name"]: one["digest"]["sha256"] for one in subjects}
    except (TypeError, KeyError):
        return ["the statement's subjects cannot be read"]
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
    """SHA256SUMS itself is a subject; what it says must agree with the files, too."""
    try:
        sums = read_sums(folder)
    except UserError as error:
        return [str(error)]
    actual = {name: sha256(path) for name, path in files(folder)}
    return [] if sums == actual else [f"{SUMS} does not agree with the files"]
