"""The arrows between packages point one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import harness

ROOT = Path(harness.__file__).parent
BASE = {"payments", "model"}
PARENT = {"parent"}  # whether the process above still lives
PULSE = {"pulse"}  # whether this process keeps up
MAY_IMPORT = {
    "payments": set(),
    "model": {"payments"},
    "wire": BASE,
    "services": BASE | PARENT | PULSE | {"wire"},
    "toxics": BASE | PARENT | PULSE | {"wire"},
    "parent": set(),
    "pulse": set(),
    "children": {"payments"} | PARENT,
    "progress": {"payments"},
    "faults": BASE | {"wire", "services", "toxics", "children"},
    "load": BASE | PARENT | PULSE | {"wire", "services"},
    "simulation": BASE | {"wire", "services", "toxics", "faults", "load", "analysis"},
    "analysis": BASE,
    "report": BASE | {"analysis"},
    "explore": BASE | {"simulation", "analysis", "load"},
    "order": BASE | {"report", "load"},
    "verdict": BASE | {"analysis", "report", "order", "faults"},
    "comparing": BASE | {"analysis", "report"},
    "isolated": BASE | {"children", "faults", "services"},
    "board": BASE
    | PARENT
    | {"analysis", "report", "load", "faults", "services", "children", "stage", "order", "verdict"},
    "hosts": BASE | PARENT | {"wire", "services", "load", "children", "faults"},
    "stage": BASE | {"children", "faults", "services", "isolated", "load", "hosts"},
    "generator": BASE | {"children", "load", "services", "stage", "report"},
    "crew": BASE | {"children", "load", "services", "stage", "report", "analysis", "generator"},
}
NOBODY_IMPORTS = {"cli", "testing"}  # what people call, nothing of ours but themselves


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    place = ROOT / package
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    assert files
    allowed = MAY_IMPORT[package] | {package}
    for path in files:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("harness."):
                assert node.module is not None
                assert node.module.split(".")[1] in allowed, f"{path}: {node.module}"


def test_nothing_imports_the_command_or_what_users_tests_call() -> None:
    for path in sorted(ROOT.rglob("*.py")):
        room = path.relative_to(ROOT).parts[0]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("harness."):
                assert node.module is not None
                imported = node.module.split(".")[1]
                assert imported not in NOBODY_IMPORTS - {room}, f"{path}: {node.module}"
