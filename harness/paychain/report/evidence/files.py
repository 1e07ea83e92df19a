"""Evidence of a run: the digest of every file, and signed statements about them.

`SHA256SUMS` can be checked with sha256sum alone. `run.intoto.jsonl` holds two in-toto statements,
one envelope per line: about the run (every file is a subject), and the test result of the files
that were run. Each is bound to the run by the digest of `SHA256SUMS`. A run names the envelopes of
the run that was signed before it, so that a run that was removed or rewritten later breaks the
history (history.py). A signature proves that nothing changed after signing; it does not prove that
the run was honest.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paychain.declaration.reading import read_bounded
from paychain.payments.errors import UserError
from paychain.processes.files import refuse_unwritable, sha256, write_atomically
from paychain.processes.locks import only_process
from paychain.report.evidence.consistency import contradiction
from paychain.report.evidence.history import (
    ENVELOPES,
    RUN_PREDICATE,
    is_signed,
    newest,
)
from paychain.report.result import Result, read

# Only a run that is signed waits for the cryptography.
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SUMS = "SHA256SUMS"
TIMESTAMP = "run.intoto.jsonl.tsr"
STATEMENT = "https://in-toto.io/Statement/v1"
TEST_PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
MAX_SUMS_BYTES = 4_000_000
MAX_FILES = 10_000  # a run has hundreds; more is another folder, such as one of all runs
# Not covered by the digests, since they are written after them. Only at the top of the run: the
# same names further down are data.
_OUTSIDE = (SUMS, ENVELOPES, TIMESTAMP)
_RESULTS = {"pass": "PASSED", "fail": "FAILED", "inconclusive": "FAILED"}


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name, relative to the run, and path of every file of a run, sorted by name.

    Raises UserError for more than MAX_FILES files, and for what is not evidence: links, pipes,
    devices, empty folders, and names that do not fit into a line.
    """
    found = sorted(folder.rglob("*"))
    if len(found) > MAX_FILES:
        raise UserError(
            f"{folder} holds more than {MAX_FILES:,} files", hint="name a single run directory"
        )
    filled = {path.parent for path in found}
    for path in found:
        name = path.relative_to(folder).as_posix()
        mode = path.lstat().st_mode
        what = ""
        if stat.S_ISLNK(mode):
            what = "is a symbolic link"
        elif stat.S_ISDIR(mode):
            what = "" if path in filled else "is an empty folder"
        elif not stat.S_ISREG(mode):
            what = "is not a plain file"
        elif not name.isprintable() or "\\" in name:
            what = "has a name that cannot be a line of SHA256SUMS"
        if what:
            raise UserError(f"{folder / name} {what}", hint="evidence may hold plain files only")
        if not stat.S_ISDIR(mode) and name not in _OUTSIDE:
            yield name, path


def digests(folder: Path, known: Collection[str]) -> dict[str, str]:
    """Digest by name of every file of a run; "" for what is not `known`.

    Somebody added that, and it may be larger than anyone wants to read. Raises what `files` does.
    """
    return {name: sha256(path) if name in known else "" for name, path in files(folder)}


def write_sums(folder: Path) -> Path:
    """Write SHA256SUMS with the digest of every file of a run. Returns its path."""
    return _write(folder, {name: sha256(path) for name, path in files(folder)})


def read_sums(folder: Path) -> dict[str, str]:
    """Digests by file name. Raises UserError when the file is missing or has another format."""
    try:
        lines = read_bounded(folder / SUMS, MAX_SUMS_BYTES).decode().splitlines()
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


def leave_out(folder: Path, names: Collection[str]) -> None:
    """Let SHA256SUMS, if there is one, say nothing of files that are about to change."""
    if (folder / SUMS).exists():
        kept = {name: digest for name, digest in read_sums(folder).items() if name not in names}
        _write(folder, kept)


def _write(folder: Path, sums: Mapping[str, str]) -> Path:
    path = folder / SUMS
    write_atomically(path, "".join(f"{digest}  {name}\n" for name, digest in sums.items()))
    return path


def sign_run(folder: Path, key: Ed25519PrivateKey) -> Path:
    """Sign a run, whatever its verdict. Returns the path of the envelopes.

    Raises UserError when the folder is not a run, is signed, or is not what the run wrote: it has
    another name, a file differs from SHA256SUMS, a file that was run is missing, or the verdict
    does not follow from the checks.
    """
    from paychain.report.evidence.dsse import sign

    if is_signed(folder):
        raise UserError(f"{folder} is already signed", hint="a signed run must not change")
    result = read(folder)
    if folder.resolve().name != result.run_id:  # no verification would accept it
        raise UserError(
            f"{folder} is the run {result.run_id} under another name", hint="rename the folder"
        )
    sums = unchanged(folder)
    wrong = contradiction(result)
    if wrong:
        raise UserError(f"{folder}: its verdict does not follow from its checks: {wrong}")
    refuse_unwritable(folder)
    path = folder / ENVELOPES
    # Two runs that are signed at once would follow the same one. Where folders cannot be locked,
    # `verify --history` shows the result.
    with only_process(folder.resolve().parent, "signing in"):
        signed = [sign(_encoded(each), key) for each in statements(folder, result, sums)]
        write_atomically(path, "".join(json.dumps(envelope) + "\n" for envelope in signed))
    return path


def unchanged(folder: Path) -> dict[str, str]:
    """Digests by file name, after a look that the run's files are still as SHA256SUMS says.

    Raises UserError for the first difference.
    """
    sums = read_sums(folder)
    hint = "nothing but paychain may change a run: run it again"
    for wrong in differences(sums, digests(folder, sums)):
        raise UserError(f"{folder} is not as {SUMS} says: {wrong}", hint=hint)
    return sums


def differences(expected: Mapping[str, str], actual: Mapping[str, str]) -> Iterator[str]:
    """What differs between two lists of digests by file name, in words."""
    for name in sorted(actual.keys() - expected.keys()):
        yield f"{name} was added"
    for name in sorted(expected.keys() - actual.keys()):
        yield f"{name} is missing"
    for name in sorted(actual.keys() & expected.keys()):
        if actual[name] != expected[name]:
            yield f"{name} was changed"


def statements(folder: Path, result: Result, sums: Mapping[str, str]) -> list[dict[str, Any]]:
    """The two in-toto statements of a run. Raises UserError when a file that was run is missing."""
    whole = {"name": SUMS, "digest": {"sha256": sha256(folder / SUMS)}}
    subjects = [{"name": name, "digest": {"sha256": digest}} for name, digest in sums.items()]
    tested = _tested(result, sums)
    return [
        _statement(RUN_PREDICATE, [*subjects, whole], _run_facts(folder, result)),
        _statement(TEST_PREDICATE, [*tested, whole], _test_facts(result, tested)),
    ]


def _tested(result: Result, sums: Mapping[str, str]) -> list[dict[str, Any]]:
    """The chain, the experiment and the replayed file, each under the name it is kept by."""
    wanted = [
        (result.chain.file, result.chain.sha256),
        (result.experiment.file, result.experiment.sha256),
    ]
    if result.experiment.replay:
        wanted.append((result.experiment.replay, result.experiment.replay_sha256))
    found = []
    for file, digest in wanted:
        kept = [name for name, other in sums.items() if other == digest and "/" in name]
        if not kept:
            raise UserError(f"{file}, which was run, is not among the run's files")
        found.append({"name": kept[0], "digest": {"sha256": digest}})
    return found


def _run_facts(folder: Path, result: Result) -> dict[str, Any]:
    before = newest(folder.resolve().parent, but=folder)
    previous = None
    if before is not None:
        previous = {"run": before.run.name, "digest": {"sha256": before.digest}}
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
        "checks": _checks(result),
        "previous": previous,
    }


def _checks(result: Result) -> dict[str, bool | None]:
    return {tolerance.id: tolerance.passed for tolerance in result.tolerances} | {
        rule.rule: rule.passed for rule in result.money.rules
    }


def _test_facts(result: Result, tested: list[dict[str, Any]]) -> dict[str, Any]:
    facts = outcome(str(result.verdict), _checks(result))
    return {"run": result.run_id, "configuration": tested, **facts}


def outcome(verdict: str, checks: Mapping[str, bool | None]) -> dict[str, Any]:
    """What a test result says of a run with this verdict and these checks."""
    names: dict[bool | None, list[str]] = {True: [], False: [], None: []}
    for name, passed in sorted(checks.items()):
        names[passed].append(name)
    return {
        "result": _RESULTS[verdict],
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
