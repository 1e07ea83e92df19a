"""What `paychain up` refuses before it starts a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.cli.exit_codes import ExitCode
from paychain.environment.real import RealChain
from tests.support.chains import corner_shop
from tests.support.cli import invoked
from tests.support.runs import declare


def test_variables_of_own_services_need_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: RealChain) -> None:
        raise AssertionError("a chain was started")

    monkeypatch.setattr(RealChain, "start", start)
    declare(tmp_path, shop=corner_shop())
    done = invoked(tmp_path, "up", "shop.yaml", "--env")
    assert done.exit_code == ExitCode.USAGE
    assert "shop has no service of your own to start by hand; omit --env" in done.stderr
