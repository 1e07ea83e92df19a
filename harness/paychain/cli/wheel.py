"""The running copy of paychain as a wheel, and where it came from: what a CI job can install."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import urlunsplit

from paychain.payments.errors import UserError
from paychain.payments.web_addresses import split_address

_NAME = "paychain"
_PACKAGE = Path(__file__).resolve().parents[1]
_TIME = (2020, 1, 1, 0, 0, 0)  # the same copy gives the same bytes
_WHEEL = """\
Wheel-Version: 1.0
Generator: paychain
Root-Is-Purelib: true
Tag: py3-none-any
"""
# Of what an installer wrote beside the package: what any other would take from a wheel.
_METADATA = ("METADATA", "entry_points.txt")


def origin() -> str | None:
    """What pip installs this very copy from, if that is on the web: a URL with commit or digest.

    None for a copy from a folder, a file, or an index by its bare name.
    """
    text = _distribution().read_text("direct_url.json")
    return requirement(text) if text else None


def requirement(direct_url: str) -> str | None:
    """The requirement for the text of a direct_url.json (PEP 610); None if CI cannot install it."""
    origin = json.loads(direct_url)
    parts = split_address(origin["url"])
    # A checkout by SSH or from a file needs a key or a folder that a CI job does not have.
    if parts.scheme != "https" or parts.hostname is None or "dir_info" in origin:
        return None
    place = parts.netloc.rpartition("@")[2]  # never a password
    url = urlunsplit(parts._replace(netloc=place, fragment=""))
    fragments = []
    if folder := origin.get("subdirectory"):
        fragments.append(f"subdirectory={folder}")
    if (version := origin.get("vcs_info")) is not None:
        url = f"{version['vcs']}+{url}@{version['commit_id']}"
    else:
        archive = origin.get("archive_info", {})
        digest = archive.get("hashes", {}).get("sha256")
        if digest is None:
            return None  # without a digest, the archive may be another one tomorrow
        fragments.append(f"sha256={digest}")
    return f"{_NAME} @ {url}" + (f"#{'&'.join(fragments)}" if fragments else "")


def wheel_name() -> str:
    """The file name of the wheel of this copy."""
    return f"{_stem()}-py3-none-any.whl"


def wheel_of_this_copy() -> bytes:
    """The running copy as a wheel, made of what is installed, without any build tool."""
    record = []
    made = io.BytesIO()
    information = f"{_stem()}.dist-info"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in _contents(information):
            archive.writestr(_entry(name), data, zipfile.ZIP_DEFLATED)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(data)}\n")
        name = f"{information}/RECORD"
        archive.writestr(_entry(name), "".join([*record, f"{name},,\n"]), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _contents(information: str) -> Iterator[tuple[str, bytes]]:
    from paychain.model.files import FOLDERS, SHIPPED
    from paychain.model.pages import pages

    for path in sorted(_PACKAGE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{_NAME}/{path.relative_to(_PACKAGE).as_posix()}", path.read_bytes()
    # In a checkout, what is shipped lies beside the package.
    checkout, installed = SHIPPED
    if not installed.is_dir():
        shipped = [
            path for folder in FOLDERS.values() for path in (checkout / folder).rglob("*.yaml")
        ]
        for path in sorted([*shipped, *pages().values()]):
            name = path.relative_to(checkout).as_posix()
            yield f"{_NAME}/{installed.name}/{name}", path.read_bytes()
    found = _distribution()
    for name in _METADATA:
        yield f"{information}/{name}", (found.read_text(name) or "").encode()
    for path in found.metadata.get_all("License-File") or []:
        text = found.read_text(f"licenses/{path}")
        if text is not None:
            yield f"{information}/licenses/{path}", text.encode()
    yield f"{information}/WHEEL", _WHEEL.encode()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.external_attr = 0o644 << 16
    return entry


def _stem() -> str:
    return f"{_NAME}-{_distribution().version}"


def _distribution() -> Distribution:
    try:
        return distribution(_NAME)
    except PackageNotFoundError:
        raise UserError(
            "this copy of paychain is not installed", hint="install it, or use --ci none"
        ) from None
