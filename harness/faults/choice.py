"""Which fault engine a run uses, and why: `--toxiproxy` › TOXIPROXY_URL › embedded."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from harness.faults.control import EngineControl, EngineError
from harness.payments.errors import UserError

Kind = Literal["embedded", "toxiproxy"]
VARIABLE = "TOXIPROXY_URL"
EMBEDDED = "embedded"
PROGRAM = "toxiproxy-server"
SAY_VERSION_S = 5.0
_ADDRESS = re.compile(r"(https?://.*|[\w.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5})/?")


@dataclass(frozen=True)
class Choice:
    """The engine to use. `url` of one that runs already, `program` of one to be started."""

    kind: Kind  # the embedded engine can do more, wherever it runs
    why: str
    version: str = ""  # as far as known before a start
    url: str = ""
    program: str = ""
    proxies: tuple[str, ...] = ()  # what a running engine has already


def choose(spec: str | None, environment: Mapping[str, str] = os.environ) -> Choice:
    """The engine for `--toxiproxy SPEC`: `embedded`, a URL, a path, or a program's name.

    Only a name is looked up on PATH, so that a server that happens to be installed never takes the
    embedded engine's place. Raises UserError when the one that was asked for cannot be used.
    """
    if spec == EMBEDDED:
        return Choice("embedded", f"--toxiproxy {EMBEDDED}")
    if spec:
        if _ADDRESS.fullmatch(spec) and not Path(spec).exists():
            return _running(spec, f"--toxiproxy {spec}")
        return _program(spec, environment)
    url = environment.get(VARIABLE, "")
    if url:
        if not _ADDRESS.fullmatch(url):
            raise UserError(f"{VARIABLE}={url} is not a URL", mend="http://127.0.0.1:8474 is one")
        return _running(url, f"{VARIABLE}={url}")
    return Choice("embedded", f"neither --toxiproxy nor {VARIABLE} is given")


def installed(environment: Mapping[str, str] = os.environ) -> Path:
    """Where `paychain engine install` puts a server unless told otherwise."""
    data = environment.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "paychain"


def _running(given: str, why: str) -> Choice:
    url = (given if "://" in given else f"http://{given}").rstrip("/")
    if not _is_loopback(urlsplit(url).hostname or ""):
        raise UserError(
            f"{given} is not on this machine's loopback",
            mend="mock services and proxies meet on loopback only: run the server here",
        )
    control = EngineControl(url)
    try:
        kind: Kind = "embedded" if control.is_ours() else "toxiproxy"
        return Choice(kind, why, control.version(), url, proxies=tuple(control.names()))
    except EngineError as error:
        raise UserError(
            f"no Toxiproxy server answers at {given} ({error})",
            mend="start it, or use --toxiproxy embedded",
        ) from error
    finally:
        control.close()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _program(spec: str, environment: Mapping[str, str]) -> Choice:
    if os.sep in spec or (os.altsep and os.altsep in spec):
        why = f"--toxiproxy {spec}"
        found = shutil.which(str(Path(spec).expanduser()))
    else:
        found = shutil.which(spec, path=environment.get("PATH", os.defpath))
        why = f"--toxiproxy {spec}, found on PATH"
        if found is None:
            found = shutil.which(spec, path=str(installed(environment)))
            why = f"--toxiproxy {spec}, fetched by paychain engine install"
    if found is None:
        raise UserError(
            f"no program '{spec}'",
            mend=f"paychain engine install fetches {PROGRAM}; without --toxiproxy the embedded "
            "engine is used",
        )  # fmt: skip
    return Choice("toxiproxy", why, _version_of(found), program=found)


def _version_of(program: str) -> str:
    """What a server says about itself; this also tells that it is one before it is started."""
    try:
        done = subprocess.run(  # noqa: S603  (words of ours, no shell)
            [program, "-version"], capture_output=True, timeout=SAY_VERSION_S, check=False,
            stdin=subprocess.DEVNULL, text=True, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{program} cannot be run ({error})") from error
    match = re.match(r"toxiproxy-server version (\S+)", done.stdout)
    if match is None:
        raise UserError(f"{program} is no Toxiproxy server: it does not know -version")
    return match[1]
