"""Stripe's SDKs for Node, Go and Java meet the mock: one process runs all scenarios of a language.

Each program prints a line of JSON for each scenario; the SDK's own exceptions are its assertions.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.fetched import CACHE, JVM, built, fetched, tool
from tests.support.sdk_results import PASSED, Cell, Column, keep, rows_of
from tests.support.vendor_links import PREFIX, VendorLinks, vendor_links

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
PROGRAM_S = 120.0


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Telemetry keeps a file in the folder of the user's settings."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.fixture
def links() -> Iterator[VendorLinks]:
    with vendor_links("stripe") as running:
        yield running


def judged(
    links: VendorLinks, language: str, sdk: str, command: Sequence[str | Path], **env: str
) -> None:
    """Run a program, and check that it passed every scenario of the table."""
    with vendor_links("stripe", issuer="disputes: {share: 100%, after: 200ms}") as disputed:
        done = _run(links, disputed, command, **env)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    cells = [Cell(**line) for line in lines]
    keep(Column(vendor="stripe", language=language, sdk=sdk, cells=cells))
    failed = {cell.scenario: cell.detail for cell in cells if cell.result != PASSED}
    assert failed == {}, done.stderr[-2000:]
    assert {cell.scenario for cell in cells} == set(rows_of("stripe")), done.stderr[-2000:]


def _run(
    links: VendorLinks, disputed: VendorLinks, command: Sequence[str | Path], **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={
            **os.environ,
            "PAYCHAIN_URL": links.url,
            "PAYCHAIN_DISPUTED_URL": disputed.url,
            "PAYCHAIN_CONTROL": links.control_url,
            "PAYCHAIN_PREFIX": PREFIX,
            **env,
        },
        capture_output=True,
        text=True,
        timeout=PROGRAM_S,
        check=False,
    )


def test_the_sdk_of_node(links: VendorLinks) -> None:
    node, npm = (tool(name, "Stripe's SDK for Node") for name in ("node", "npm"))
    source = HERE / "node" / "stripe"
    declared = (source / "package.json").read_text("utf-8")
    version = json.loads(declared)["dependencies"]["stripe"]
    modules = CACHE / f"node-stripe-{version}"
    modules.mkdir(parents=True, exist_ok=True)
    (modules / "package.json").write_text(declared, "utf-8")
    install = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"]
    fetched(install, modules / "node_modules" / "stripe" / "package.json", cwd=modules)
    judged(
        links,
        "node",
        f"stripe {version}",
        [node, source / "scenarios.js"],
        PAYCHAIN_MODULES=str(modules),
    )


def test_the_sdk_of_go(links: VendorLinks) -> None:
    go = tool("go", "Stripe's SDK for Go")
    source = HERE / "go" / "stripe"
    version = re.findall(r"stripe-go/v85 v([\d.]+)", (source / "go.mod").read_text("utf-8"))[0]
    binary = CACHE / f"go-stripe-{version}-{_mark(source.glob('*.go'))}"
    there = CACHE / f"go-stripe-{version}-modules"
    download = f"{shlex.quote(go)} mod download && touch {shlex.quote(str(there))}"
    fetched(["sh", "-c", download], there, cwd=source)
    built([go, "build", "-o", str(binary), "."], binary, cwd=source)
    judged(links, "go", f"stripe-go {version}", [binary])


def test_the_sdk_of_java(links: VendorLinks) -> None:
    java, javac, maven = (tool(name, "Stripe's SDK for Java") for name in ("java", "javac", "mvn"))
    source = HERE / "java" / "stripe"
    declared = (source / "pom.xml").read_text("utf-8")
    version = re.findall(r"stripe-java</artifactId>\s*<version>([\d.]+)", declared)[0]
    jars = CACHE / f"java-stripe-{version}"
    copy = [maven, "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
    fetched([*copy, "-f", str(source / "pom.xml")], jars / f"stripe-java-{version}.jar")
    sources = sorted(source.glob("*.java"))
    classes = CACHE / f"java-stripe-{version}-{_mark(sources)}"
    compile_all = [javac, "-d", str(classes), "-cp", f"{jars}/*", *map(str, sources)]
    built(compile_all, classes / "Scenarios.class")
    program = [java, *JVM, "-cp", f"{classes}{os.pathsep}{jars}/*", "Scenarios"]
    judged(links, "java", f"stripe-java {version}", program)


def _mark(sources: Iterable[Path]) -> str:
    """What a built program is known by: other sources are another program."""
    whole = b"".join(source.read_bytes() for source in sorted(sources))
    return hashlib.sha256(whole).hexdigest()[:12]
