"""Somebody else on the machine switches faults off while a run goes on."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from tests.support.hostile import disturbed_run, harmless, let_the_fault_begin
from tests.support.processes import needs_proc

pytestmark = [pytest.mark.slow, needs_proc]


def asked(url: str, method: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, b"", method=method), timeout=5):
        pass


@pytest.mark.parametrize("who", ["engine", "mocks"])
def test_a_switch_that_the_run_did_not_ask_for_makes_it_inconclusive(
    tmp_path: Path, who: str
) -> None:
    with disturbed_run(tmp_path) as run:
        let_the_fault_begin(run, tmp_path)
        (spool,) = (tmp_path / "runs").glob("*/spool")
        try:
            if who == "engine":
                asked(f"{(spool / 'engine.ready').read_text()}/reset", "POST")
            else:
                ready = json.loads((spool / "mock-services.ready").read_text())
                asked(f"http://127.0.0.1:{ready['control']}/faults/cut", "DELETE")
        except urllib.error.HTTPError as error:
            assert error.code in (401, 403)
            pytest.skip("strangers are refused")
        result = harmless(run, tmp_path)
    assert result["verdict"] == "inconclusive"
    assert any("somebody else switched faults" in reason for reason in result["reasons"])
