"""A freeze of an isolated link: its process stops, and learns afterwards what was switched."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from paychain.environment import isolated
from paychain.environment.isolated import IsolatedLink, ServiceProcess
from paychain.faults.fault import Fault
from paychain.model.places import InLinkPlace, Place
from paychain.processes.children import Child
from tests.support.processes import needs_proc
from tests.support.waiting import wait_until

AT_LINK = Place(spots=(InLinkPlace("issuer"),))
pytestmark = needs_proc


class _Faults:
    """What the process is asked to do; it must not be asked while it is frozen."""

    def __init__(self, _control: str, _auth: object = None) -> None:
        self.asked: list[str] = []

    def apply(self, fault: Fault, _place: Place) -> None:
        self.asked.append(f"apply {fault.id}")

    def heal(self, fault_id: str) -> None:
        self.asked.append(f"heal {fault_id}")

    def hits(self) -> dict[str, int]:
        self.asked.append("hits")
        return {"slow": 3}


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    monkeypatch.setattr(isolated, "RemoteLinkFaults", _Faults)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as sleeping:
        yield sleeping
        sleeping.kill()


@pytest.fixture
def link(process: subprocess.Popen[bytes], tmp_path: Path) -> IsolatedLink:
    def never(*_: object) -> ServiceProcess:
        raise AssertionError("it is not restarted")

    child = Child("link issuer", process, tmp_path / "log")
    return IsolatedLink("issuer", ServiceProcess(child, "http://control", {}), never)


def fault(fault_id: str, **kind: object) -> Fault:
    usual = {"id": fault_id, "at": "0s", "for": "1s", "target": {"link": "issuer"}}
    return Fault.model_validate({**usual, **kind})


def state(process: subprocess.Popen[bytes]) -> str:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_frozen_process_is_stopped_until_the_last_freeze_heals(
    link: IsolatedLink, process: subprocess.Popen[bytes]
) -> None:
    for name in ("a", "b"):
        link.apply(fault(name, freeze={}), AT_LINK)
    wait_until(lambda: state(process) == "T", "its stop")
    assert link.control is None
    link.heal("a")
    assert state(process) == "T"
    link.heal("b")
    wait_until(lambda: state(process) != "T", "that it goes on")
    assert link.control == "http://control"
    assert link.hits() == {"a": 1, "b": 1, "slow": 3}


def test_what_is_switched_meanwhile_reaches_the_process_when_it_goes_on(link: IsolatedLink) -> None:
    asked = link._faults.asked  # type: ignore[attr-defined]  # of the stand-in
    link.apply(fault("early", slow_answer={"delay": "5ms"}), AT_LINK)
    link.apply(fault("f", freeze={}), AT_LINK)
    link.heal("early")
    link.apply(fault("late", slow_answer={"delay": "5ms"}), AT_LINK)
    assert link.hits() == {"f": 1}
    assert asked == ["apply early"]
    link.heal("f")
    assert asked == ["apply early", "heal early", "apply late"]


def test_a_freeze_elsewhere_is_nothing_to_it(
    link: IsolatedLink, process: subprocess.Popen[bytes]
) -> None:
    link.apply(fault("f", freeze={}), Place(spots=(InLinkPlace("processor"),)))
    assert (state(process) != "T", link.hits()) == (True, {"slow": 3})
