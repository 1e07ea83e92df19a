"""The order of signed runs: each names the envelopes of the one that was newest when it was signed.

    first <── second <── third        head: nobody names it yet

The links are the order, whatever the folders are called: runs may overlap, and clocks go back.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paychain.declaration.reading import read_bounded
from paychain.payments.errors import UserError

MAX_ENVELOPE_BYTES = 20_000_000
ENVELOPES = "run.intoto.jsonl"
RUN_PREDICATE = "urn:paychain:resilience-run:v1"


@dataclass(frozen=True)
class SignedRun:
    """A signed run of a folder, as far as it can be read without a key."""

    run: Path
    digest: str  # of its envelopes
    previous: str | None  # digest of the envelopes that it names; None: it names none


def is_signed(folder: Path) -> bool:
    """Whether a run is signed. The files of a signed run must not change."""
    return os.path.lexists(folder / ENVELOPES)


def envelopes(folder: Path) -> bytes:
    """The statements of a signed run. Raises UserError when they cannot be read."""
    try:
        return read_bounded(folder / ENVELOPES, MAX_ENVELOPE_BYTES)
    except OSError as error:
        raise UserError(f"cannot read {folder / ENVELOPES}: {error.strerror}") from error


def signed_runs(folder: Path) -> list[SignedRun]:
    """The signed runs of a folder by name; those whose statements cannot be read are left out."""
    found = []
    for run in sorted(folder.iterdir()):
        if run.is_dir() and is_signed(run):
            with suppress(UserError):
                data = envelopes(run)
                digest = hashlib.sha256(data).hexdigest()
                found.append(SignedRun(run, digest, digest_of_previous(_facts(data))))
    return found


def digest_of_previous(facts: Mapping[str, Any]) -> str | None:
    """The digest that the facts of a run give of the run before it."""
    previous = facts.get("previous")
    digest = previous.get("digest") if isinstance(previous, dict) else None
    found = digest.get("sha256") if isinstance(digest, dict) else None
    return found if isinstance(found, str) else None


def _facts(data: bytes) -> dict[str, Any]:
    """The statement about a run, whoever signed it; {} if it cannot be read."""
    for line in data.splitlines():
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            statement = json.loads(base64.b64decode(json.loads(line)["payload"]))
            if statement["predicateType"] == RUN_PREDICATE:
                facts = statement["predicate"]
                return facts if isinstance(facts, dict) else {}
    return {}


def in_order(runs: list[SignedRun]) -> list[SignedRun]:
    """Each run after the one that it names; what names nothing that is here begins, by name."""
    followers: dict[str | None, list[SignedRun]] = {}
    digests = {run.digest for run in runs}
    for run in runs:
        before = run.previous if run.previous in digests else None
        followers.setdefault(before, []).append(run)
    ordered: list[SignedRun] = []
    waiting = followers.pop(None, [])[::-1]
    while waiting:
        run = waiting.pop()
        ordered.append(run)
        # Copies of one run have one digest: they follow the same, and are followed once.
        waiting += followers.pop(run.digest, [])[::-1]
    return ordered


def heads(runs: list[SignedRun]) -> list[SignedRun]:
    """The runs that no other run names: one, unless the history forked."""
    named = {run.previous for run in runs}
    return [run for run in in_order(runs) if run.digest not in named]


def newest(folder: Path, but: Path) -> SignedRun | None:
    """The head of a folder's history, without the run `but`; of several the last in order."""
    others = [run for run in signed_runs(folder) if run.run.resolve() != but.resolve()]
    found = heads(others)
    return found[-1] if found else None
