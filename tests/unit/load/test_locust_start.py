"""How Locust is started: what is installed is read once, and by everybody else as before."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from paychain.load.locust.__main__ import main

# Asks for plugins again and again while it is imported, as gevent does.
LOCUST = """\
from importlib import metadata
seen = [{each.name for each in metadata.entry_points(group="pytest11")} for _ in range(3)]
ran = 0
def main():
    global ran
    ran += 1
"""


def test_what_is_installed_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "locust"
    package.mkdir()
    package.joinpath("__init__.py").touch()
    package.joinpath("main.py").write_text(LOCUST)
    monkeypatch.syspath_prepend(tmp_path)
    honest, asked = importlib.metadata.entry_points, []

    def counting(**chosen: Any) -> Any:
        asked.append(chosen)
        return honest(**chosen)

    monkeypatch.setattr(importlib.metadata, "entry_points", counting)
    with patch.dict(sys.modules):
        for name in [name for name in sys.modules if name.partition(".")[0] == "locust"]:
            del sys.modules[name]
        main()
        locust: Any = sys.modules["locust.main"]
    assert locust.ran == 1
    assert all("paychain" in names for names in locust.seen)
    assert asked == [{}]
    assert importlib.metadata.entry_points is counting
