"""The engines of a real chain: how long they may take to answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paychain.engine import control as controls
from paychain.engine import engine as engines
from paychain.engine.control import CALL_S
from paychain.environment.fault_engines import FaultEngines
from paychain.processes.children import Children
from paychain.processes.sessions import PATIENT_S


class Control:
    """In place of what controls an engine: how long each call of one may take."""

    asked: list[float]

    def __init__(self, url: str, *, within_s: float = CALL_S, **_: Any) -> None:
        self.url, self._within_s = url, within_s

    def wait(self, within_s: float) -> None:
        self._within_s = within_s

    def version(self) -> str:
        self.asked.append(self._within_s)
        return "2.12.0"

    def is_ours(self) -> bool:
        self.asked.append(self._within_s)
        return True

    def names(self) -> list[str]:
        self.asked.append(self._within_s)
        return []

    def close(self) -> None:
        pass


class ReadyChildren(Children):
    """Children that are ready without a process."""

    def start(self, name: str, *_: Any, **__: Any) -> Any:
        (self.folder / f"{name.removeprefix('fault ').replace(' ', '-')}.ready").write_text("url")

    def wait_for(self, *_: Any, **__: Any) -> None:
        pass


@pytest.mark.parametrize(("is_patient", "within_s"), [(True, PATIENT_S), (False, CALL_S)])
@pytest.mark.parametrize("toxiproxy", ["embedded", "http://127.0.0.1:8474"])
def test_an_engine_of_a_patient_session_has_time_for_its_first_answers(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    toxiproxy: str,
    is_patient: bool,
    within_s: float,
) -> None:
    monkeypatch.setattr(Control, "asked", [], raising=False)
    monkeypatch.setattr(engines, "EngineControl", Control)
    monkeypatch.setattr(controls, "EngineControl", Control)
    monkeypatch.setattr(engines, "_prove_it_relays", lambda _: None)
    made = FaultEngines(
        ReadyChildren(tmp_path),
        seed=1,
        epoch_ns=0,
        toxiproxy=toxiproxy,
        is_open=True,
        port=0,
        is_patient=is_patient,
    )
    made.start(None)
    made.start_further([["a"], ["b"]])
    assert len(Control.asked) >= 2
    assert set(Control.asked) == {within_s}
