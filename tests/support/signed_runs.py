"""Run directories that can be signed, the keys that sign them, and what is done to them then."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from paychain.processes.files import sha256
from paychain.report.evidence.files import SUMS, sign_run, write_sums
from paychain.report.evidence.history import ENVELOPES
from paychain.report.evidence.verification import verify_run
from paychain.report.result import FILE_NAME
from tests.support.paths import SAMPLE

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key()


def run_at(folder: Path, name: str) -> Path:
    """A run directory with the sample's result under another name."""
    run = folder / name
    (run / "inputs").mkdir(parents=True)
    result = json.loads((SAMPLE / FILE_NAME).read_text("utf-8")) | {"run_id": name}
    for what, text in (("chain", "chain: shop\n"), ("experiment", "experiment: steady\n")):
        path = run / "inputs" / f"{what}.yaml"
        path.write_text(text, "utf-8")
        result[what] |= {"file": path.name, "sha256": sha256(path)}
    (run / FILE_NAME).write_text(json.dumps(result), "utf-8")
    (run / "report.html").write_text("<p>report</p>", "utf-8")
    (run / "inputs" / SUMS).write_text("somebody's own sums\n", "utf-8")
    write_sums(run)
    return run


def complaints(run: Path) -> str:
    return "; ".join(verify_run(run, [PUBLIC]).complaints)


def edit(run: Path) -> None:
    (run / "report.html").write_text("<p>all was well</p>")


def add(run: Path) -> None:
    (run / "inputs" / "more.yaml").write_text("x")


def remove(run: Path) -> None:
    (run / "inputs" / "chain.yaml").unlink()


def edit_nested_sums(run: Path) -> None:
    (run / "inputs" / SUMS).write_text("other sums\n")


def edit_sums(run: Path) -> None:
    text = (run / SUMS).read_text()
    (run / SUMS).write_text(text.replace(text[:64], "0" * 64, 1))


def rewrite_file_and_sums(run: Path) -> None:
    edit(run)
    write_sums(run)


def drop_our_statement(run: Path) -> None:
    (run / ENVELOPES).write_text((run / ENVELOPES).read_text().splitlines(keepends=True)[1])


def repeat_our_statement(run: Path) -> None:
    lines = (run / ENVELOPES).read_text().splitlines(keepends=True)
    (run / ENVELOPES).write_text("".join([*lines, lines[0]]))


def change_the_payload(run: Path) -> None:
    first, second = (run / ENVELOPES).read_text().splitlines()
    envelope = json.loads(first)
    statement = json.loads(base64.b64decode(envelope["payload"]))
    statement["predicate"]["verdict"] = "pass"
    envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    (run / ENVELOPES).write_text(f"{json.dumps(envelope)}\n{second}\n")


def rename(run: Path) -> None:
    run.rename(run.with_name("20261124T110000Z-shop-other"))


def three_runs(folder: Path) -> list[Path]:
    runs = [run_at(folder, f"2026112{day}T100000Z-shop-steady") for day in (1, 2, 3)]
    for each in runs:
        sign_run(each, KEY)
    return runs
