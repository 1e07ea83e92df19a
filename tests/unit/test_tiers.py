"""Files without a test for `make fast` are left out of it, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.assertion import rewrite

from tests.support.compiled import compile_tests
from tests.support.spreading import spread
from tests.support.tiers import has_quick_tests

SLOW = "@pytest.mark.slow\ndef test_a():\n    pass\n"
QUICK = "def test_b():\n    pass\n"


@pytest.mark.parametrize(
    "text", [SLOW, f"pytestmark = [\n    a,\n    pytest.mark.slow,\n]\n{QUICK}"]
)
def test_a_file_of_slow_tests_is_left_out(text: str) -> None:
    assert not has_quick_tests(text)


@pytest.mark.parametrize(
    "text",
    [
        f"{SLOW}{QUICK}",
        f"{QUICK}{SLOW}",
        f"{SLOW}async {QUICK}",
        f"{SLOW}class TestC:\n    {QUICK}",
        f"@pytest.mark.slow\ndef helper(): ...\n{QUICK}",
        f"pytestmark = pytest.mark.browser\n{QUICK}",
        '@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.slow)])\n' + QUICK,
    ],
)
def test_a_file_with_another_test_is_not(text: str) -> None:
    assert has_quick_tests(text)


def test_what_workers_will_import_is_compiled_once(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    (tmp_path / "test_slow.py").write_text(SLOW)
    quick = tmp_path / "test_quick.py"
    quick.write_text(QUICK)
    assert compile_tests(pytestconfig, tmp_path, only_quick=True) == 1
    assert compile_tests(pytestconfig, tmp_path, only_quick=True) == 0
    quick.write_text(QUICK + QUICK)
    assert compile_tests(pytestconfig, tmp_path, only_quick=False) == 2


@pytest.mark.parametrize("name", ["PYC_TAIL", "_read_pyc", "_rewrite_test", "_write_pyc"])
def test_each_worker_compiles_where_pytest_has_no_such_function(
    name: str, tmp_path: Path, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_quick.py").write_text(QUICK)
    monkeypatch.delattr(rewrite, name)
    assert compile_tests(pytestconfig, tmp_path, only_quick=True) == 0


def test_each_worker_compiles_where_pytest_calls_it_otherwise(
    tmp_path: Path, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_quick.py").write_text(QUICK)
    monkeypatch.setattr(rewrite, "_rewrite_test", lambda: None)
    assert compile_tests(pytestconfig, tmp_path, only_quick=True) == 0


LASTS_S = {"run 1": 40.0, "run 2": 60.0, "run 3": 50.0, "sum 1": 5.0, "sum 3": 6.0}


@pytest.mark.parametrize("workers", range(1, 8))
@pytest.mark.parametrize("computing", [0, 1, 12, 60])
def test_each_worker_begins_with_its_longest_tests(workers: int, computing: int) -> None:
    tests = [f"run {n}" for n in range(31)] + [f"sum {n}" for n in range(computing)]
    order = spread(
        tests, workers, lambda test: LASTS_S.get(test, 0.0), lambda test: test.startswith("sum")
    )
    assert sorted(order) == sorted(tests)
    begins, left = [], order
    for others in range(workers, 0, -1):  # as xdist hands them out
        begins.append(left[0])
        left = left[len(left) // others :]
    assert begins[0] == "run 2"
    if workers == 5:
        assert begins[1] == "run 3"
    if workers > 1 and computing == 60:
        assert begins[workers - max(1, int(workers * 0.4))] == "sum 3"
