"""Evidence of a run: the digest of every file, and signed statements about them.

`SHA256SUMS` can be checked with sha256sum alone. `run.intoto.jsonl` holds two in-toto statements,
one envelope a line: what the run was (every file is a subject), and the test result of the chain
and experiment files that were tested. Each names the previous run's envelopes, so that a run that
was removed or rewritten breaks the chain. Signing proves that nothing changed afterwards; it does
not prove that the run was honest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.payments.errors import UserError
from harness.report.dsse import sign
from harness.report.result import Result, read

SUMS = "SHA256SUMS"
ENVELOPES = "run.intoto.jsonl"
TIMESTAMP = "run.intoto.jsonl.tsr"
STATEMENT = "https://in-toto.io/Statement/v1"
RUN_PREDICATE = "urn:paychain:resilience-run:v1"
TEST_PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
MAX_FILES = 10_000
_OUTSIDE = (SUMS, ENVELOPES, TIMESTAMP)  # at the top of the run only: names further down are data
_RESULTS = {"pass": "PASSED", "fail": "FAILED", "inconclusive": "FAILED"}


def sha256(path: Path) -> str:
    """Digest of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file of a run by its name relative to the run, sorted.

    Raises UserError for a symbolic link or more files than a run can have.
    """
    found = sorted(folder.rglob("*"))
    if len(found) > MAX_FILES:
        raise UserError(f"{folder} holds more than {MAX_FILES} files", mend="is it a run?")
    for path in found:
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise UserError(f"{path} is a symbolic link", mend="evidence holds plain files only")
        if path.is_file() and name not in _OUTSIDE:
            yield name, path


def write_sums(folder: Path) -> Path:
    """Write SHA256SUMS over every file of a run."""
    lines = [f"{sha256(path)}  {name}\n" for name, path in files(folder)]
    path = folder / SUMS
    path.write_text("".join(lines), "utf-8", newline="\n")
    return path


def read_sums(folder: Path) -> dict[str, str]:
    """Digest by file name. Raises UserError when the file is missing or not one of ours."""
    try:
        lines = (folder / SUMS).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{folder} has no readable {SUMS}", mend="is it a run?") from error
    sums: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        digest, gap, name = line[:64], line[64:66], line[66:]
        parts = name.split("/")
        if gap != "  " or not name or name in sums or name[0] == "/" or {"..", "."} & set(parts):
            raise UserError(f"{folder / SUMS}:{number}: not a line of {SUMS}")
        sums[name] = digest
    return sums


def is_signed(folder: Path) -> bool:
    """Whether a run has statements: its files must not change any more."""
    return (folder / ENVELOPES).exists()


def previous_run(folder: Path) -> Path | None:
    """The newest signed run beside this one that is older than it (names begin with the time)."""
    earlier = [
        one for one in folder.resolve().parent.iterdir()
        if one.is_dir() and one.name < folder.resolve().name and is_signed(one)
    ]  # fmt: skip
    return max(earlier, key=lambda one: one.name, default=None)


def sign_run(folder: Path, key: Ed25519PrivateKey) -> Path:
    """Sign a run, whatever its verdict. Raises UserError when it is none, or signed already."""
    if is_signed(folder):
        raise UserError(f"{folder} is signed already", mend="a signed run does not change")
    result = read(folder)
    write_sums(folder)
    envelopes = [sign(_encoded(one), key) for one in statements(folder, result)]
    path = folder / ENVELOPES
    scratch = path.with_suffix(".tmp")
    scratch.write_text("".join(json.dumps(one) + "\n" for one in envelopes), "utf-8")
    scratch.replace(path)
    return path


def statements(folder: Path, result: Result) -> list[dict[str, Any]]:
    """The two in-toto statements of a run."""
    sums = read_sums(folder)
    subjects = [
        {"name": name, "digest": {"sha256": digest}}
        for name, digest in [*sums.items(), (SUMS, sha256(folder / SUMS))]
    ]
    tested = [
        {"name": facts.file, "digest": {"sha256": facts.sha256}}
        for facts in (result.chain, result.experiment)
    ]
    return [
        _statement(RUN_PREDICATE, subjects, _run_facts(folder, result)),
        _statement(TEST_PREDICATE, tested, _test_facts(result, tested)),
    ]


def _run_facts(folder: Path, result: Result) -> dict[str, Any]:
    before = previous_run(folder)
    previous = None
    if before is not None:
        previous = {"run": before.name, "digest": {"sha256": sha256(before / ENVELOPES)}}
    return {
        "run": result.run_id, "verdict": str(result.verdict), "reasons": result.reasons,
        "chain": result.chain.name, "experiment": result.experiment.name, "seed": result.seed,
        "virtual": result.virtual, "startedOn": result.started_at, "finishedOn": result.ended_at,
        "engine": f"{result.engine.name} {result.engine.version}".strip(),
        "environment": result.environment, "command": result.command,
        "checks": {one.id: one.passed for one in result.tolerances}
        | {rule.rule: rule.passed for rule in result.money.rules},
        "previous": previous,
    }  # fmt: skip


def _test_facts(result: Result, tested: list[dict[str, Any]]) -> dict[str, Any]:
    passed = [one.id for one in result.tolerances if one.passed]
    failed = [one.id for one in result.tolerances if one.passed is False]
    warned = [one.id for one in result.tolerances if one.passed is None]
    for rule in result.money.rules:
        {True: passed, False: failed, None: warned}[rule.passed].append(rule.rule)
    return {
        "result": _RESULTS[result.verdict], "configuration": tested, "passedTests": passed,
        "warnedTests": warned,
        "failedTests": failed,
    }  # fmt: skip


def _statement(kind: str, subjects: list[Any], predicate: dict[str, Any]) -> dict[str, Any]:
    return {
        "_type": STATEMENT, "subject": subjects, "predicateType": kind, "predicate": predicate,
    }  # fmt: skip


def _encoded(statement: dict[str, Any]) -> bytes:
    return json.dumps(statement, ensure_ascii=False, sort_keys=True).encode()
