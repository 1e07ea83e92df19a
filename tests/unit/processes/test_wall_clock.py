"""A machine whose clock somebody sets, or that sleeps, while a run goes on."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import pytest

from paychain.environment.own import services as own
from paychain.environment.own.services import OwnServices
from paychain.model.loading import load_chain
from paychain.processes import wall_clock
from paychain.processes.wall_clock import ClockStart, WallClock
from paychain.runs.by_name import run
from tests.support.chains import corner_shop, experiment
from tests.support.own_chains import own_shop
from tests.support.runs import declare


class Clocks:
    """Two clocks. `pass_by` lets time pass on both, `move` sets one."""

    def __init__(self) -> None:
        self.wall = 1_796_000_000_000_000_000
        self.steady = 5_000_000_000

    def pass_by(self, seconds: float) -> None:
        self.wall += int(seconds * 1e9)
        self.steady += int(seconds * 1e9)

    def move(self, seconds: float) -> None:
        self.wall += int(seconds * 1e9)

    def watch(self) -> WallClock:
        return WallClock(lambda: self.wall, lambda: self.steady)


@pytest.mark.parametrize("seconds", [3_600.0, -3_600.0, 1.5])
def test_a_clock_that_is_set_is_noticed_also_when_it_is_set_right_again(seconds: float) -> None:
    clocks = Clocks()
    watch = clocks.watch()
    for moved in (seconds, 0.0, -seconds):
        clocks.pass_by(1.0)
        clocks.move(moved)
        watch.look()
    assert watch.moved_s == pytest.approx(seconds)


def test_a_clock_that_is_kept_right_and_a_process_that_stood_still_are_no_move() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    for seconds in (1.0, 1.0, 45.0, 1.0) * 1_000:
        clocks.pass_by(seconds)
        clocks.move(0.02)  # 20 s in all
        watch.look()
    assert watch.moved_s == 0


def test_own_services_under_a_moved_clock_say_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks()
    monkeypatch.setattr(own, "WallClock", clocks.watch)
    declare(tmp_path, shop=own_shop())
    chain = load_chain(str(tmp_path / "shop.yaml"))
    services = OwnServices(chain, tmp_path, lambda: 0, seed=1)
    services.reserve()
    services.check()
    assert services.problems == []
    clocks.move(-600)
    services.check()
    services.stop()
    (problem,) = services.problems
    assert problem.startswith("the machine's clock was moved back by 600.0 s during the run")


def test_a_run_lasts_as_long_as_it_lasts_whatever_the_clock_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Moved(datetime.datetime):
        """Each look shows two hours less than the one before."""

        looks = 0

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Moved:
            cls.looks += 1
            back = datetime.timedelta(hours=2 * cls.looks)
            return cls.fromtimestamp(time.time(), tz) - back  # type: ignore[return-value]  # of this class

    monkeypatch.setattr(wall_clock, "datetime", Moved)
    begun = ClockStart.now()
    assert datetime.timedelta(0) <= begun.until_now() - begun.at < datetime.timedelta(minutes=1)
    declare(tmp_path, shop=corner_shop(), steady=experiment())
    monkeypatch.chdir(tmp_path)
    result = run("shop.yaml", "steady.yaml", virtual=True, out="runs").result
    start, end = map(datetime.datetime.fromisoformat, (result.started_at, result.ended_at))
    assert datetime.timedelta(0) <= end - start < datetime.timedelta(minutes=2)
