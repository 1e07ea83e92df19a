"""Evidence of a run: the digest of every file, and signed statements about them.

`SHA256SUMS` can be checked with sha256sum alone. `run.intoto.jsonl` holds two in-toto statements,
one envelope per line: about the run (every file is a subject), and the test result of the chain and
experiment files. A run names the envelopes of the previous run, so that a run that was removed or
rewritten later breaks the history. A signature proves that nothing changed after signing; it does
not prove that the run was honest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from paychain.payments.errors import UserError
from paychain.processes.files import sha256, write_atomically
from paychain.report.evidence.dsse import sign
from paychain.report.result import Result, read

SUMS = "SHA256SUMS"
ENVELOPES = "run.intoto.jsonl"
TIMESTAMP = "run.intoto.jsonl.tsr"
STATEMENT = "https://in-toto.io/Statement/v1"
RUN_PREDICATE = "urn:paychain:resilience-run:v1"
TEST_PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
MAX_FILES = 10_000  # a run has hundreds; more is another folder, such as one of all runs
# Not covered by the digests, since they are written after them. Only at the top of the run: the
# same names further down are data.
_OUTSIDE = (SUMS, ENVELOPES, TIMESTAMP)
_RESULTS = {"pass": "PASSED", "fail": "FAILED", "inconclusive": "FAILED"}


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name, relative to the run, and path of every file of a run, sorted by name.

    Raises UserError for a symbolic link, and for more than MAX_FILES files.
    """
    found = sorted(folder.rglob("*"))
    if len(found) > MAX_FILES:
        raise UserError(
            f"{folder} holds more than {MAX_FILES:,} files", hint="name a single run directory"
        )
    for path in found:
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise UserError(f"{path} is a symbolic link", hint="evidence may hold plain files only")
        if path.is_file() and name not in _OUTSIDE:
            yield name, path


def write_sums(folder: Path) -> Path:
    """Write SHA256SUMS with the digest of every file of a run. Returns its path."""
    lines = [f"{sha256(path)}  {name}\n" for name, path in files(folder)]
    path = folder / SUMS
    path.write_text("".join(lines), "utf-8", newline="\n")
    return path


def read_sums(folder: Path) -> dict[str, str]:
    """Digests by file name. Raises UserError when the file is missing or has another format."""
    try:
        lines = (folder / SUMS).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{folder} has no readable {SUMS}", hint="name a run directory") from error
    sums: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        digest, separator, name = line[:64], line[64:66], line[66:]
        parts = name.split("/")
        if (
            separator != "  "
            or not name
            or name in sums
            or name[0] == "/"
            or {"..", "."} & set(parts)
        ):
            raise UserError(f"{folder / SUMS}:{number}: not a line of {SUMS}")
        sums[name] = digest
    return sums


def is_signed(folder: Path) -> bool:
    """Whether a run is signed. The files of a signed run must not change."""
    return (folder / ENVELOPES).exists()


def previous_run(folder: Path) -> Path | None:
    """The newest signed run in the same folder that is older than this one."""
    run = folder.resolve()
    # The names of runs begin with the time, so their order is the order of the runs.
    earlier = [
        other
        for other in run.parent.iterdir()
        if other.is_dir() and other.name < run.name and is_signed(other)
    ]
    return max(earlier, key=lambda other: other.name, default=None)


def sign_run(folder: Path, key: Ed25519PrivateKey) -> Path:
    """Sign a run, whatever its verdict. Returns the path of the envelopes.

    Raises UserError when the folder is not a run, or is signed.
    """
    if is_signed(folder):
        raise UserError(f"{folder} is already signed", hint="a signed run must not change")
    result = read(folder)
    write_sums(folder)
    envelopes = [sign(_encoded(statement), key) for statement in statements(folder, result)]
    path = folder / ENVELOPES
    write_atomically(path, "".join(json.dumps(envelope) + "\n" for envelope in envelopes))
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
        "run": result.run_id,
        "verdict": str(result.verdict),
        "reasons": result.reasons,
        "chain": result.chain.name,
        "experiment": result.experiment.name,
        "seed": result.seed,
        "virtual": result.virtual,
        "startedOn": result.started_at,
        "finishedOn": result.ended_at,
        "engine": f"{result.engine.name} {result.engine.version}".strip(),
        "environment": result.environment,
        "command": result.command,
        "checks": {tolerance.id: tolerance.passed for tolerance in result.tolerances}
        | {rule.rule: rule.passed for rule in result.money.rules},
        "previous": previous,
    }


def _test_facts(result: Result, tested: list[dict[str, Any]]) -> dict[str, Any]:
    names: dict[bool | None, list[str]] = {True: [], False: [], None: []}
    for tolerance in result.tolerances:
        names[tolerance.passed].append(tolerance.id)
    for rule in result.money.rules:
        names[rule.passed].append(rule.rule)
    return {
        "result": _RESULTS[result.verdict],
        "configuration": tested,
        "passedTests": names[True],
        "warnedTests": names[None],  # not judged
        "failedTests": names[False],
    }


def _statement(kind: str, subjects: list[Any], predicate: dict[str, Any]) -> dict[str, Any]:
    return {
        "_type": STATEMENT,
        "subject": subjects,
        "predicateType": kind,
        "predicate": predicate,
    }


def _encoded(statement: dict[str, Any]) -> bytes:
    return json.dumps(statement, ensure_ascii=False, sort_keys=True).encode()
