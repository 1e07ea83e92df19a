"""The arrows between packages point one way."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import paychain
from tests.support.imports import imports_of

ROOT = Path(paychain.__file__).parent
CONTRIBUTING = ROOT.parents[1] / "CONTRIBUTING.md"
BASE = {"payments", "processes", "declaration", "faults", "model"}
BELOW_RUNS = BASE | {
    "protocol",
    "wire",
    "toxics",
    "services",
    "engine",
    "load",
    "simulation",
    "environment",
    "analysis",
    "report",
}
# A run reaches links, wires and toxics through its environment.
RUNS_NEED = BELOW_RUNS - {"protocol", "wire", "toxics", "services"}
MAY_IMPORT = {
    "payments": set(),
    "processes": {"payments"},
    "declaration": {"payments"},
    "wire": {"payments"},
    "protocol": {"payments", "wire"},
    "toxics": {"payments", "processes", "wire"},
    "faults": {"payments", "declaration", "protocol", "wire"},
    "model": {"payments", "processes", "declaration", "faults", "protocol"},
    "services": BASE | {"protocol", "wire"},
    "engine": BASE | {"toxics"},
    "load": BASE | {"protocol", "wire", "services"},
    "simulation": {"wire", "payments"},
    "analysis": BASE,
    "advice": BASE | {"analysis"},
    "report": BASE | {"analysis"},
    "environment": BELOW_RUNS - {"environment", "report", "protocol"},
    "placement": BASE | {"environment"},
    "explore": RUNS_NEED - {"report"},
    "probe": {"payments", "processes", "protocol", "report", "wire"},
    "runs": RUNS_NEED | {"advice"},
    "board": RUNS_NEED | {"runs"},
    "testing": RUNS_NEED | {"runs", "explore"},
    "cli": BELOW_RUNS | {"advice", "runs", "explore", "board", "placement", "probe"},
}
DOOR = "__main__.py"  # `python -m paychain`: the command
NOBODY_IMPORTS = {"cli", "testing"}  # what people call, nothing of ours but themselves


def test_every_room_has_its_row() -> None:
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert rooms == set(MAY_IMPORT)
    # None lies in the hall, but the door.
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py", DOOR}


def test_contributing_describes_every_room() -> None:
    rows = re.findall(
        r"^\| `harness/paychain/(\w+)` \|", CONTRIBUTING.read_text("utf-8"), re.MULTILINE
    )
    assert sorted(rows) == sorted(MAY_IMPORT)


def test_contributing_describes_a_run_in_ten_lines_and_few_files() -> None:
    text = CONTRIBUTING.read_text("utf-8")
    section = text.split("## A run, in ten lines\n", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"^(\d+)\. ", section, re.MULTILINE) == [str(n) for n in range(1, 11)]
    files = set(re.findall(r"`([\w/]+\.py)`", section))
    assert {file for file in files if not (ROOT / file).is_file()} == set()
    assert 20 < len(files) < 30


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    place = ROOT / package
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    assert files
    allowed = MAY_IMPORT[package] | {package}
    for path in files:
        for node in imports_of(path):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("paychain."):
                assert node.module is not None
                assert node.module.split(".")[1] in allowed, f"{path}: {node.module}"


def test_nothing_imports_the_command_or_what_users_tests_call() -> None:
    for path in sorted(ROOT.rglob("*.py")):
        room = path.relative_to(ROOT).parts[0]
        room = "cli" if room == DOOR else room
        for node in imports_of(path):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("paychain."):
                assert node.module is not None
                imported = node.module.split(".")[1]
                assert imported not in NOBODY_IMPORTS - {room}, f"{path}: {node.module}"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("sys.executable", "processes/children.py"),  # with -P, so that nothing of the user's hides
        ("trust_env", "processes/sessions.py"),  # never through a proxy of the environment
    ],
)
def test_what_all_processes_need_is_written_once(text: str, place: str) -> None:
    found = [path for path in sorted(ROOT.rglob("*.py")) if text in path.read_text("utf-8")]
    assert found == [ROOT / place]


def _module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def _imported_by(name: str, path: Path) -> set[str]:
    """The modules of the package that a file imports."""
    imported: set[str] = set()
    for node in imports_of(path):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
            continue
        assert node.level == 0, f"{path}: a relative import"
        module = node.module or ""
        # `from paychain.room import name`: a module of that room, or something its file has.
        for alias in node.names:
            submodule = f"{module}.{alias.name}"
            imported.add(submodule if submodule in MODULES else module)
    return (imported & MODULES.keys()) - {name}


def test_no_circle() -> None:
    """No module imports itself by way of others: a reader would not know where to begin.

    Imports for types only count, too: they are arrows in a reader's head.
    """
    sorter = TopologicalSorter(
        {name: _imported_by(name, path) for name, path in MODULES.items()},
    )
    try:
        sorter.prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")
