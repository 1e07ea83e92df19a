"""Stripe's SDKs for Node, Go and Java meet the mock: one process runs all scenarios of a language.

Each program prints a line of JSON for each scenario; the SDK's own exceptions are its assertions.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.fetched import CACHE, JVM, fetched, tool
from tests.support.sdk_results import PASSED, SCENARIOS, Cell, Column, keep
from tests.support.vendor_links import PREFIX, VendorLinks, vendor_links

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
PROGRAM_S = 120.0


@pytest.fixture
def links() -> Iterator[VendorLinks]:
    with vendor_links("stripe") as running:
        yield running


def judged(
    links: VendorLinks, language: str, sdk: str, command: Sequence[str | Path], **env: str
) -> None:
    """Run a program, and check that it passed every scenario of the table."""
    done = subprocess.run(
        command,
        env={
            **os.environ,
            "PAYCHAIN_URL": links.url,
            "PAYCHAIN_CONTROL": links.control_url,
            "PAYCHAIN_PREFIX": PREFIX,
            **env,
        },
        capture_output=True,
        text=True,
        timeout=PROGRAM_S,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    cells = [Cell(**line) for line in lines]
    keep(Column(vendor="stripe", language=language, sdk=sdk, cells=cells))
    failed = {cell.scenario: cell.detail for cell in cells if cell.result != PASSED}
    assert failed == {}, done.stderr[-2000:]
    assert {cell.scenario for cell in cells} == set(SCENARIOS), done.stderr[-2000:]


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
    binary = CACHE / f"go-stripe-{version}-{_mark(source / 'main.go')}"
    fetched([go, "build", "-o", str(binary), "."], binary, cwd=source)
    judged(links, "go", f"stripe-go {version}", [binary])


def test_the_sdk_of_java(links: VendorLinks) -> None:
    java, maven = (tool(name, "Stripe's SDK for Java") for name in ("java", "mvn"))
    source = HERE / "java" / "stripe"
    declared = (source / "pom.xml").read_text("utf-8")
    version = re.findall(r"stripe-java</artifactId>\s*<version>([\d.]+)", declared)[0]
    jars = CACHE / f"java-stripe-{version}"
    copy = [maven, "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
    fetched([*copy, "-f", str(source / "pom.xml")], jars / f"stripe-java-{version}.jar")
    program = [java, *JVM, "-cp", f"{jars}/*", source / "Scenarios.java"]
    judged(links, "java", f"stripe-java {version}", program)


def _mark(source: Path) -> str:
    """What a built program is known by: another source is another program."""
    return hashlib.sha256(source.read_bytes()).hexdigest()[:12]
