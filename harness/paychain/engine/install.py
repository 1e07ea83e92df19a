"""Downloads a Toxiproxy server: only on request, only a release whose digest is known here."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import requests

from paychain.engine.choice import PROGRAM
from paychain.payments.errors import UserError
from paychain.processes.files import sha256
from paychain.processes.posting import exchanged

GITHUB = "https://github.com/Shopify/toxiproxy/releases/download"
MAX_BYTES = 100_000_000  # six times the size of a server
CONNECT_S, SILENT_S = 10.0, 30.0
WITHIN_S = 600.0  # of the whole download
_PIECE = 1 << 16  # bytes
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Release:
    """A published version: the SHA-256 of its server for each platform, such as `linux-amd64`."""

    version: str
    digests: Mapping[str, str]


# Source: toxiproxy.rb of Shopify's Homebrew tap.
RELEASES = (
    Release(
        "2.12.0",
        MappingProxyType(
            {
                "linux-amd64": "556d891134a3c582dc1e1a3f7335fd55142e5965769855a00b944e13e48302fc",
                "linux-arm64": "53e770c1c3035b5a9f1bc629fce537db1f95f62b26f4ebe6e756afd701cf077c",
                "darwin-amd64": "9625bba4bd96117eedae49f982aba4c2f462b268dd406c9ff18186f9b1ef8afe",
                "darwin-arm64": "aa299966b52f16a8594f1cd0d1e9049dc2e8fe2c04a90c19860e2719b2b95d15",
            }
        ),
    ),
)


def release(version: str) -> Release:
    """The known release of a version. Raises UserError when there is none."""
    for known in RELEASES:
        if known.version == version.removeprefix("v"):
            return known
    versions = ", ".join(known.version for known in RELEASES)
    raise UserError(
        f"there is no known digest for toxiproxy {version}", hint=f"known versions: {versions}"
    )


def this_platform(system: str = "", machine: str = "") -> str:
    """This machine's platform as releases name it: `linux-amd64`."""
    machine = (machine or platform.machine()).lower()
    return f"{(system or platform.system()).lower()}-{_MACHINES.get(machine, machine)}"


def fetch(wanted: Release, kind: str, mirror: str, into: Path) -> Path:
    """Download a release's server for a platform, verify its digest, make it executable.

    Nothing is left behind when it fails, and no other file is replaced. Raises UserError.
    """
    digest = wanted.digests.get(kind)
    if digest is None:
        raise UserError(
            f"toxiproxy {wanted.version} for {kind} is not known here",
            hint=f"there are: {', '.join(wanted.digests)}; the embedded engine runs everywhere",
        )
    target = into / PROGRAM
    # Unlike Path.exists, which raises for a name that is too long and overlooks a dangling link.
    if os.path.lexists(target):
        if _is_published(target, digest):
            target.chmod(0o755)
            return target
        raise UserError(
            f"{target} exists and is not toxiproxy {wanted.version}",
            hint="remove it, or give another place with --into",
        )
    url = f"{mirror.rstrip('/')}/v{wanted.version}/{PROGRAM}-{kind}"
    missing = [folder for folder in (into, *into.parents) if not os.path.lexists(folder)]
    try:
        into.mkdir(parents=True, exist_ok=True)
        _install(url, digest, target)
    except OSError as error:
        raise UserError(f"cannot write to {into}: {error.strerror}") from error
    finally:
        if not os.path.lexists(target):
            _remove_empty(missing)
    return target


def _is_published(path: Path, digest: str) -> bool:
    """Whether a file has the digest; what cannot be read has not."""
    try:
        return sha256(path) == digest
    except OSError:
        return False


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders, innermost first: neither one that was never made nor one in use."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _install(url: str, digest: str, target: Path) -> None:
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        found = _download(url, scratch)
        if found != digest:
            raise UserError(
                f"{url} is not the published file: its SHA-256 is {found}, not {digest}; "
                "nothing was installed",
                hint="try another mirror",
            )
        scratch.chmod(0o755)
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def _download(url: str, path: Path) -> str:
    """The digest of what was written to `path`."""
    try:
        return exchanged(lambda: _written(url, path), WITHIN_S)
    except requests.RequestException as error:
        raise UserError(
            f"cannot fetch {url} ({_reason(error)}); nothing was installed",
            hint="give another server that has it: --mirror URL",
        ) from error


def _written(url: str, path: Path) -> str:
    digest, size = hashlib.sha256(), 0
    with (
        requests.get(url, stream=True, timeout=(CONNECT_S, SILENT_S)) as response,
        path.open("wb") as file,
    ):
        response.raise_for_status()
        for piece in response.iter_content(_PIECE):
            size += len(piece)
            if size > MAX_BYTES:
                raise UserError(f"{url} is too large; nothing was installed")
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"HTTP {error.response.status_code}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "it was cut off"
    return "no answer" if isinstance(error, requests.Timeout) else "no connection"
