"""Files without a test for `make fast` are left out of it, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.compiled import compile_tests
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
