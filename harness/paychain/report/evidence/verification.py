"""Verifies that a run is what a trusted key signed: every file, no more and no less."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from paychain.declaration.reading import read_bounded
from paychain.payments.errors import UserError
from paychain.processes.files import sha256
from paychain.report.evidence.dsse import BadEnvelope, opened, unambiguous
from paychain.report.evidence.files import (
    STATEMENT,
    SUMS,
    TEST_PREDICATE,
    TIMESTAMP,
    differences,
    digests,
    outcome,
    read_sums,
)
from paychain.report.evidence.history import (
    ENVELOPES,
    RUN_PREDICATE,
    SignedRun,
    digest_of_previous,
    envelopes,
    heads,
    in_order,
    is_signed,
    signed_runs,
)

MAX_LINES = 100  # of the envelopes; paychain writes two
MAX_TIMESTAMP_BYTES = 1_000_000
_DIGESTS = (hashlib.sha256, hashlib.sha384, hashlib.sha512)  # of which a timestamp holds one


@dataclass(frozen=True)
class Verification:
    """The result of verifying a run. `notes`: what was not verified, and how it can be."""

    run: str
    complaints: tuple[str, ...]  # empty when the run is sound
    facts: dict[str, Any]  # the signed predicate; empty when no trusted key signed one
    notes: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether no file has changed since signing."""
        return not self.complaints


@dataclass(frozen=True)
class HistoryExtent:
    """How much of a history is there. Nothing in a folder tells that its newest runs were removed.

    `heads`: the newest signed run; several when the history forked.
    """

    heads: list[SignedRun]
    complaints: tuple[str, ...]


def verify_run(folder: Path, trusted: Sequence[Ed25519PublicKey]) -> Verification:
    """Check the files of a run against its statements.

    Raises UserError when it is not signed, or holds what is not evidence.
    """
    if not is_signed(folder):
        raise UserError(f"{folder} is not signed", hint="sign it: paychain sign RUN")
    lines = envelopes(folder).decode("utf-8", "replace").splitlines()
    named = folder.resolve().name  # of `.`, too
    if len(lines) > MAX_LINES:
        return Verification(named, (f"{ENVELOPES} has too many lines",), {})
    complaints: list[str] = []
    found: dict[str, list[dict[str, Any]]] = {RUN_PREDICATE: [], TEST_PREDICATE: []}
    for number, line in enumerate(lines, start=1):
        try:
            statement = _statement(opened(line, list(trusted)))
            found[statement["predicateType"]].append(statement)
        except BadEnvelope as bad:
            complaints.append(f"{ENVELOPES}:{number}: {bad}")
        except KeyError:
            complaints.append(f"{ENVELOPES}:{number}: a statement of another kind")
    about_run, tests = found[RUN_PREDICATE], found[TEST_PREDICATE]
    if len(about_run) != 1:
        what = "no statement about the run" if not about_run else "more than one statement"
        return Verification(named, (*complaints, f"{what} from a trusted key"), {})
    facts = about_run[0]["predicate"]
    signed = _digests(about_run[0]["subject"])
    actual = digests(folder, signed or ())
    sums_digest = sha256(folder / SUMS) if (folder / SUMS).is_file() else ""
    complaints += _files_as_signed(actual, sums_digest, signed)
    complaints += _sums_as_signed(folder, actual)
    complaints += _test_as_signed(tests, facts, sums_digest)
    complaints += _verdict_as_signed(facts)
    if facts.get("run") != named:
        complaints.append(f"the folder is named {named}, but the run is {facts.get('run')}")
    stamp_complaints, notes = _timestamp(folder)
    return Verification(named, (*complaints, *stamp_complaints), facts, notes)


def verify_history(folder: Path, trusted: Sequence[Ed25519PublicKey]) -> list[Verification]:
    """Verify all runs of a folder, and that each names the run that was signed before it.

    Each comes after the one that it names, what is not signed last. Raises UserError for a folder
    without a run.
    """
    runs = sorted(path for path in folder.iterdir() if _is_run(path))
    if not runs:
        raise UserError(f"{folder} holds no run", hint="name the folder that holds the runs")
    ordered = in_order(signed_runs(folder))
    by_run = {each.run: each for each in ordered}
    places = {each.run: number for number, each in enumerate(ordered)}
    found = []
    for run in sorted(runs, key=lambda run: places.get(run, len(places))):
        verified = _verified(run, trusted)
        if verified.facts:
            complaints = [*verified.complaints, *_follows(by_run.get(run), verified.facts, ordered)]
            verified = replace(verified, complaints=tuple(complaints))
        found.append(verified)
    return found


def extent(folder: Path, *, head: str | None = None, at_least: int = 0) -> HistoryExtent:
    """The end of a folder's history.

    `head`: the digest that an earlier look gave; that run has to be there. So have `at_least` so
    many signed runs.
    """
    signed = signed_runs(folder)
    wrong = []
    if head is not None and head not in {each.digest for each in signed}:
        wrong.append(f"the run with the digest {head} is missing")
    if len(signed) < at_least:
        runs = f"{len(signed)} signed run{'' if len(signed) == 1 else 's'}"
        wrong.append(f"{runs}, at least {at_least} were expected")
    return HistoryExtent(heads(signed), tuple(wrong))


def _is_run(path: Path) -> bool:
    return path.is_dir() and ((path / "result.json").is_file() or is_signed(path))


def _verified(run: Path, trusted: Sequence[Ed25519PublicKey]) -> Verification:
    if not is_signed(run):
        return Verification(run.name, ("not signed",), {})
    try:
        return verify_run(run, trusted)
    except UserError as error:  # one bad run must not hide the others
        return Verification(run.name, (str(error),), {})


def _follows(
    signed: SignedRun | None, facts: dict[str, Any], ordered: list[SignedRun]
) -> Iterator[str]:
    """What is wrong with a run's place in the history."""
    previous = digest_of_previous(facts)
    if previous is None:
        first = ordered[0]
        if signed is not None and signed is not first and first.previous is None:
            yield f"it follows no run, and neither does {first.run.name}"
        return
    if previous not in {other.digest for other in ordered}:
        name = facts["previous"].get("run")
        if name in {other.run.name for other in ordered}:
            yield f"the previous run, {name}, was rewritten after this run was signed"
        else:
            yield f"the previous run, {name}, is missing"
        return
    beside = [other for other in ordered if other.previous == previous and other is not signed]
    if beside and signed is not None and ordered.index(beside[0]) < ordered.index(signed):
        yield f"it follows {facts['previous'].get('run')}, which {beside[0].run.name} follows, too"


def _statement(payload: bytes) -> dict[str, Any]:
    try:
        statement = json.loads(payload, object_pairs_hook=unambiguous)
    except (ValueError, RecursionError) as error:
        raise BadEnvelope("the signed payload is not JSON") from error
    if not isinstance(statement, dict) or statement.get("_type") != STATEMENT:
        raise BadEnvelope("the signed payload is not an in-toto statement")
    if not isinstance(statement.get("predicate"), dict):
        raise BadEnvelope("the statement has no predicate")
    if not isinstance(statement.get("predicateType"), str):
        raise BadEnvelope("the statement has no predicate type")
    return statement


def _digests(subjects: Any) -> dict[str, str] | None:
    """Digests by name of a statement's subjects; None when they cannot be read."""
    try:
        found = {str(subject["name"]): str(subject["digest"]["sha256"]) for subject in subjects}
    except (TypeError, KeyError):
        return None
    return found if len(found) == len(subjects) else None


def _files_as_signed(
    actual: dict[str, str], sums_digest: str, signed: dict[str, str] | None
) -> list[str]:
    if signed is None:
        return ["the subjects of the statement are not readable, or name a file twice"]
    present = actual | ({SUMS: sums_digest} if sums_digest else {})
    return list(differences(signed, present))


def _sums_as_signed(folder: Path, actual: dict[str, str]) -> list[str]:
    """Whether SHA256SUMS, which is a subject itself, also agrees with the files."""
    try:
        sums = read_sums(folder)
    except UserError as error:
        return [str(error)]
    return [] if sums == actual else [f"{SUMS} does not agree with the files"]


def _test_as_signed(
    tests: list[dict[str, Any]], facts: dict[str, Any], sums_digest: str
) -> Iterator[str]:
    """Whether the test result is there once, of this run, and says what the run's statement says.

    Each statement alone could be taken from another run.
    """
    if len(tests) != 1:
        what = "no test result" if not tests else "more than one test result"
        yield f"{what} from a trusted key"
        return
    (test,) = tests
    said = test["predicate"]
    if (_digests(test["subject"]) or {}).get(SUMS) != sums_digest or said.get("run") != facts.get(
        "run"
    ):
        yield "the test result is of another run"
        return
    try:
        expected = outcome(facts["verdict"], facts["checks"])
    except (KeyError, TypeError, AttributeError):
        expected = {}
    if {name: said.get(name) for name in expected} != expected or not expected:
        yield "the test result contradicts the statement about the run"


def _verdict_as_signed(facts: dict[str, Any]) -> Iterator[str]:
    checks = facts.get("checks")
    if not isinstance(checks, dict):
        yield "the statement lists no checks"
    elif facts.get("verdict") == "pass" and False in checks.values():
        failed = ", ".join(name for name, passed in checks.items() if passed is False)
        yield f"its verdict is pass, but failed: {failed}"


def _timestamp(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is wrong with the timestamp, and what was not looked at.

    That it holds the digest of the statements can be seen here, who made it cannot.
    """
    path = folder / TIMESTAMP
    if not path.exists() and not path.is_symlink():
        return (), ()
    try:
        token = read_bounded(path, MAX_TIMESTAMP_BYTES)
    except OSError as error:
        return (f"{TIMESTAMP} cannot be read: {error.strerror}",), ()
    except UserError as error:
        return (str(error),), ()
    data = envelopes(folder)
    if not any(digest(data).digest() in token for digest in _DIGESTS):
        return (f"{TIMESTAMP} is not a timestamp of these statements",), ()
    return (), (
        f"who made {TIMESTAMP} was not verified: openssl ts -verify -data {ENVELOPES} "
        f"-in {TIMESTAMP} -CAfile TSA.pem",
    )
