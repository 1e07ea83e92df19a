"""CONTRIBUTING's recipes hold: one module and one entry, and the new thing is known everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.chains import shop
from tests.support.paths import ROOT
from tests.support.recipes import NewThing, copy_package, follow, recipes
from tests.support.runs import declare
from tests.support.shared_runs import made_once

NEW = {
    "toxic": NewThing(
        module="lag",
        replaced={"class Latency": "class Lag", "`latency`": "`lag`"},
        imported="Lag",
        entry='"lag": Lag',
    ),
    "fault on a hop": NewThing(
        module="lagging",
        replaced={
            "class Latency": "class Lagging",
            'ToxicSpec("latency"': 'ToxicSpec("lag"',
            "answers arrive late": "answers lag behind",
        },
        imported="Lagging",
        entry='"lagging": Lagging',
    ),
    "fault in a link": NewThing(
        module="vanished_answer",
        replaced={
            "class LostAnswer": "class VanishedAnswer",
            "works, its answer is lost": "works, its answer vanishes",
        },
        imported="VanishedAnswer",
        entry='"vanished_answer": VanishedAnswer',
    ),
    "role": NewThing(
        module="sanctions",
        replaced={"class Fraud": "class Sanctions"},
        imported="",
        entry='"sanctions": RoleFacts(serves=("screen",))',
    ),
    "fallback": NewThing(
        module="waive",
        replaced={"Skip": "Waive", "skip": "waive"},
        imported="Waive",
        entry='"waive": Waive',
    ),
    "money rule": NewThing(
        module="matching",
        replaced={
            "def books_agree": "def books_match",
            "def repeats_without_effect": "def repeats_match",
            "Books of all links agree": "Books of all links match",
        },
        imported="books_match",
        entry="books_match",
    ),
    "dialect": NewThing(
        module="plain",
        replaced={"class Native": "class Plain"},
        imported="Plain",
        entry='"plain": Plain()',
    ),
    "measure": NewThing(
        module="exposures",
        replaced={'@measure("risks")': '@measure("exposures")', "def risks(": "def exposures("},
        imported="exposures",
        entry="exposures",
        field="exposures: list[Risk] = []",
    ),
    "pass over own services' records": NewThing(
        module="borrowed",
        replaced={"def reused_keys": "def borrowed_keys", "detail=owner": 'detail="borrowed"'},
        imported="borrowed_keys",
        entry="borrowed_keys",
    ),
    "doubt": NewThing(
        module="masked",
        replaced={"def hidden_faults": "def masked_faults", "host stalled: ": "host dozed: "},
        imported="masked_faults",
        entry="masked_faults",
    ),
    "remedy": NewThing(
        module="stores",
        replaced={"def without_queues": "def without_stores"},
        imported="without_stores",
        entry='(without_stores, ("books_agree",))',
    ),
    "report format": NewThing(
        module="short",
        replaced={"def summary_md": "def short_md"},
        imported="short_md",
        entry='"short.md": short_md',
    ),
}
CHAIN = """\
chain: shop
entry: gateway
links:
  gateway:
    role: gateway
    calls:
      screen: {to: sanctions, timeout: 300ms, fallback: [{waive: {up_to: 5000.00}}]}
      authorise: {to: processor, timeout: 1s, on_unknown: reverse}
  sanctions: {role: sanctions, dialect: plain}
  processor: {role: processor, dialect: plain, calls: {authorise: {to: issuer}}}
  issuer: {role: issuer}
"""
EXPERIMENT = """\
experiment: novelties
tolerances: {}
load: {arrivals: 20/s, before: 1s, after: 1s}
faults:
  - {id: lag, at: 0s, for: 1s, target: {link: processor}, lagging: {delay: 50ms}}
  - {id: gone, at: 0s, for: 1s, target: {link: sanctions}, vanished_answer: {share: 50%}}
"""
SEEN = "seen.json"  # what recipe_user.py prints


# Every test starts a Python that imports the copy, or reads what one has seen.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with everything new in it, files that use it, and what came of them."""

    def make(folder: Path) -> None:
        copy = copy_package(folder)
        table = recipes()
        assert set(table) == set(NEW)
        for thing, recipe in table.items():
            follow(recipe, NEW[thing], copy)
        stores = shop(processors=["processor-a"], authorise={"fallback": [{"queue": {}}]})
        declare(folder, shop=CHAIN, novelties=EXPERIMENT, stores=stores)
        user = Path(__file__).with_name("recipe_user.py")
        (folder / SEEN).write_text(python(copy, user, *files_in(folder), folder / "stores.yaml"))

    return made_once(tmp_path_factory, "recipes", make)


def files_in(folder: Path) -> tuple[Path, Path]:
    return folder / "shop.yaml", folder / "novelties.yaml"


@pytest.fixture(scope="module")
def package(made: Path) -> Path:
    return made / "paychain"


@pytest.fixture(scope="module")
def files(made: Path) -> tuple[Path, Path]:
    """A chain and an experiment that use it."""
    return files_in(made)


def python(package: Path, *arguments: str | Path) -> str:
    """The output of a Python that imports the copy."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(package.parent), str(ROOT)))}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=environment,
        cwd=package.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def seen(made: Path) -> dict[str, Any]:
    """What the program saw that uses it."""
    found: dict[str, Any] = json.loads((made / SEEN).read_text())
    return found


def test_a_new_fault_has_a_switch_where_it_can_be_injected(seen: dict[str, Any]) -> None:
    for link in ("gateway", "sanctions", "processor", "issuer"):
        assert {"lagging", "vanished_answer"} <= set(seen["switches"][link])
    assert seen["meanings"]["lagging"] == "answers lag behind"
    assert seen["meanings"]["vanished_answer"] == "works, its answer vanishes"


def test_a_fault_with_a_new_toxic_is_refused_for_toxiproxy(seen: dict[str, Any]) -> None:
    what, hint = seen["refused"]["lagging"]
    assert what == "Toxiproxy does not support 'lagging'"
    assert hint.startswith("use the embedded engine")
    assert seen["refused"]["vanished_answer"] is None


def test_a_search_injects_new_faults_and_judges_new_rules(seen: dict[str, Any]) -> None:
    assert {"lagging", "vanished_answer"} <= set(seen["searchable"])
    assert seen["schedules"] == 5
    assert "books_match" in seen["rules"]


def test_a_new_pass_adds_to_the_records_of_own_services(seen: dict[str, Any]) -> None:
    assert seen["reused keys"] == ["borrowed", "p1"]


def test_a_new_doubt_is_a_question_about_a_run(seen: dict[str, Any]) -> None:
    assert [question.partition(":")[0] for question in seen["questions"]] == [
        "host dozed",
        "host stalled",
    ]


def test_a_new_remedy_is_advised_on_its_rule(seen: dict[str, Any]) -> None:
    assert seen["remedies"] == [
        ["books_agree", "remove", "links.gateway.calls.authorise.fallback[0]"]
    ]


def test_a_run_uses_and_reports_everything_new(
    package: Path, files: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "runs"
    python(package, "-m", "paychain.cli", "run", *files, "--virtual", "--out", out, "--exit-zero")
    (folder,) = (path for path in out.iterdir() if path.is_dir() and not path.is_symlink())
    result = json.loads((folder / "result.json").read_text())
    assert {fault["kind"]: fault["hits"] > 0 for fault in result["faults"]} == {
        "lagging": True,
        "vanished_answer": True,
    }
    (use,) = (fallback for fallback in result["fallbacks"] if fallback["kind"] == "skip")
    assert use["activations"] > 0
    # Its `decision` was left as it was copied: reports count it with `skip`.
    declared = {(step["call"], step["kind"]) for step in result["chain"]["fallbacks"]}
    assert ("gateway.screen", "skip") in declared
    assert "books_match" in {rule["rule"] for rule in result["money"]["rules"]}
    roles = {link["name"]: link["role"] for link in result["chain"]["links"]}
    assert roles["sanctions"] == "sanctions"
    assert result["exposures"] == result["risks"] != []
    assert "novelties on shop" in (folder / "short.md").read_text()
    assert "lagging" in (folder / "report.html").read_text()


def test_a_role_that_is_not_registered_is_named_with_its_place(
    package: Path, files: tuple[Path, Path], tmp_path: Path
) -> None:
    chain = tmp_path / "shop.yaml"
    chain.write_text(CHAIN.replace("role: sanctions", "role: sanction"))
    with pytest.raises(AssertionError, match=r"shop\.yaml:9:21: .*sanction"):
        python(package, "-m", "paychain.cli", "check", chain, files[1])
