"""Which fault engine a run uses, and why: `--toxiproxy` › TOXIPROXY_URL › embedded."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paychain.engine.ability import EMBEDDED, Kind
from paychain.payments.errors import UserError, sentence_of, without_passwords
from paychain.payments.web_addresses import split_address
from paychain.processes.files import expanded
from paychain.processes.loopback import is_loopback
from paychain.processes.variables import without_secrets

VARIABLE = "TOXIPROXY_URL"
PROGRAM = "toxiproxy-server"
VERSION_S = 5.0  # for a program to print its version
_ADDRESS = re.compile(r"(https?://.*|[\w.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5})/?")


@dataclass(frozen=True)
class EngineChoice:
    """The engine to use. `url` of a running server, `program` of one that is to be started."""

    kind: Kind  # of a running server, too: the embedded engine can do more
    why: str
    version: str = ""  # as far as known before a start
    url: str = ""
    program: str = ""
    proxies: tuple[str, ...] = ()  # that a running server has already

    @property
    def shown_url(self) -> str:
        """The URL as it may be shown: without a password."""
        return without_passwords(self.url)


def choose(
    spec: str | None,
    environment: Mapping[str, str] = os.environ,
    *,
    within_s: float | None = None,
) -> EngineChoice:
    """The engine for `--toxiproxy SPEC`: `embedded`, a URL, a path, or a program's name.

    An installed server is used only when it is named: otherwise the engine of a run would depend on
    what is on PATH. `within_s`: how long a call of a running server may take; None: as long as in a
    run. Raises UserError when the engine cannot be used.
    """
    if spec == EMBEDDED:
        return EngineChoice("embedded", f"--toxiproxy {EMBEDDED}")
    if spec:
        if _ADDRESS.fullmatch(spec) and not Path(spec).exists():
            return _running(spec, f"--toxiproxy {spec}", within_s)
        return _program(spec, environment)
    url = environment.get(VARIABLE, "")
    if url:
        if not _ADDRESS.fullmatch(url):
            raise UserError(f"{VARIABLE}={url} is not a URL", hint="write http://127.0.0.1:8474")
        return _running(url, f"{VARIABLE}={url}", within_s)
    return EngineChoice("embedded", f"neither --toxiproxy nor {VARIABLE} is given")


def installed(environment: Mapping[str, str] = os.environ) -> Path:
    """Where `paychain engine install` puts a server by default."""
    data = environment.get("XDG_DATA_HOME") or "~/.local/share"
    return expanded(data) / "paychain"


def _running(given: str, why: str, within_s: float | None) -> EngineChoice:
    why = without_passwords(why)
    url = (given if "://" in given else f"http://{given}").rstrip("/")
    host = split_address(url).hostname
    if not host:
        raise UserError(f"{given} is not a URL", hint="write http://127.0.0.1:8474")
    if not is_loopback(host):
        raise UserError(
            f"{given} is not on this machine's loopback",
            hint="mock services and proxies meet on loopback only: run the server here",
        )
    # Only a run with a server that runs already waits for the client.
    from paychain.engine.control import CALL_S, EngineControl
    from paychain.engine.errors import EngineError

    control = EngineControl(url, within_s=CALL_S if within_s is None else within_s)
    try:
        kind: Kind = "embedded" if control.is_ours() else "toxiproxy"
        return EngineChoice(kind, why, control.version(), url, proxies=tuple(control.names()))
    except EngineError as error:
        raise UserError(
            f"no Toxiproxy server answers at {given} ({error})",
            hint="start it, or use --toxiproxy embedded",
        ) from error
    finally:
        control.close()


def _program(spec: str, environment: Mapping[str, str]) -> EngineChoice:
    if os.sep in spec or (os.altsep and os.altsep in spec):
        why = f"--toxiproxy {spec}"
        found = shutil.which(str(expanded(spec)))
    else:
        found = shutil.which(spec, path=environment.get("PATH", os.defpath))
        why = f"--toxiproxy {spec}, found on PATH"
        place = installed(environment)
        # Without a home it begins in the working folder: a program there is anybody's.
        if found is None and place.is_absolute():
            found = shutil.which(spec, path=str(place))
            why = f"--toxiproxy {spec}, fetched by paychain engine install"
    if found is None:
        raise UserError(
            f"no program '{spec}'",
            hint=f"paychain engine install fetches {PROGRAM}; without --toxiproxy the embedded "
            "engine is used",
        )
    return EngineChoice("toxiproxy", why, _version_of(found), program=found)


def _version_of(program: str) -> str:
    """The version that a program prints: only a Toxiproxy server does."""
    try:
        done = subprocess.run(  # noqa: S603  (our own command, no shell)
            [program, "-version"],
            capture_output=True,
            timeout=VERSION_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env=without_secrets(os.environ),
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        what = f"{program} cannot be used: it did not print its version within {VERSION_S:g} s"
        raise UserError(what) from error
    except OSError as error:
        raise UserError(f"{program} cannot be run ({sentence_of(error)})") from error
    match = re.match(r"toxiproxy-server version (\S+)", done.stdout)
    if match is None:
        raise UserError(f"{program} is not a Toxiproxy server: it does not know -version")
    return match[1]
