"""Half an hour in virtual time and some minutes on real sockets at a moderate rate, faults coming
and going all the time: does anything grow that should not? Memory, disk, file descriptors, threads,
tasks, idempotency keys and books, per payment, in the first and in the second half of the time."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from paychain.engine.timeline import Switch, compile_timeline
from paychain.environment.virtual import VirtualChain
from paychain.load.traffic.arrivals import arrivals
from paychain.load.traffic.planning import load_plan
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.payments.journal_frames import encode
from paychain.simulation.simulate import collecting_by_steps

RATE = 20  # payments a second
VIRTUAL_S, REAL_S = 1_800, 300
SAMPLES = 60  # over the whole time
WARM = 0.2  # of the samples: pools fill, modules load, memory is cut up
CHAIN = """
chain: soak
entry: gateway
deadline: 3s
links:
  gateway:
    role: gateway
    calls:
      authorise:
        to: processor-a
        timeout: 800ms
        retry: {attempts: 2, backoff: 50ms, on: [refused, reset]}
        breaker: {failure_rate: 50%, window: 10s, minimum_calls: 20, open_for: 3s, probes: 3}
        on_unknown: reverse
        fallback: [{to: processor-b}]
  processor-a:
    role: processor
    calls: {authorise: {to: issuer, timeout: 400ms, on_unknown: reverse}}
  processor-b:
    role: processor
    calls: {authorise: {to: issuer, timeout: 400ms, on_unknown: reverse}}
  issuer: {role: issuer, declines: {share: 3%, code: "51"}}
"""
EXPERIMENT = """
experiment: soak
tolerances: {}
load: {arrivals: RATE/s, spacing: poisson, warm_up: 1s, before: 2s, after: 7s}
faults:
  - {id: late, at: 0s, for: LASTS, target: {hop: gateway -> processor-a},
     flapping: {period: 14s, fault: {latency: {delay: 150ms, jitter: 50ms, share: 50%}}}}
  - {id: errors, at: 3s, for: LASTS, target: {link: processor-a},
     flapping: {period: 17s, duty: 30%, fault: {http_error: {status: 503, share: 40%}}}}
  - {id: lost, at: 5s, for: LASTS, target: {link: processor-a},
     flapping: {period: 23s, duty: 40%, fault: {lost_answer: {share: 20%}}}}
  - {id: cut, at: 7s, for: LASTS, target: {hop: processor-a -> issuer},
     flapping: {period: 19s, duty: 20%, fault: {reset: {}}}}
  - {id: gone, at: 11s, for: LASTS, target: {link: processor-a},
     flapping: {period: 31s, duty: 20%, fault: {down: {}}}}
"""
_AROUND_S = 1 + 2 + 7 + 11  # of the load, not under the fault that begins last


def texts(lasts_s: int, rate: int, window_s: int = 0) -> tuple[str, str]:
    """The chain and the experiment. `window_s`: of every link's keys; 0: a day or longer."""
    under = f"{lasts_s - _AROUND_S}s"
    chain = CHAIN
    if window_s:
        window = f"idempotency: {{window: {window_s}s}}"
        chain = re.sub(r"^    role: .*$", rf"\g<0>\n    {window}", chain, flags=re.MULTILINE)
        chain = chain.replace("{role: issuer,", f"{{role: issuer, {window},")
    return chain, EXPERIMENT.replace("LASTS", under).replace("RATE", str(rate))


@dataclass
class Course:
    """Samples of everything that was watched, beside how many payments there were by then."""

    payments: list[float] = field(default_factory=list)
    seen: dict[str, list[float]] = field(default_factory=dict)

    def add(self, payments: float, sizes: Mapping[str, float]) -> None:
        """One sample. What is not there at first is omitted for good."""
        if not self.payments:
            self.seen = {name: [] for name in sizes}
        self.payments.append(payments)
        for name, values in self.seen.items():
            values.append(sizes.get(name, values[-1] if values else 0.0))

    def halves(self, name: str) -> list[tuple[Sequence[float], Sequence[float]]]:
        """Payments and values of the first and of the second half, once all is warm."""
        first = int(len(self.payments) * WARM)
        middle = (first + len(self.payments)) // 2
        return [
            (self.payments[part], self.seen[name][part])
            for part in (slice(first, middle), slice(middle, None))
        ]

    def growth(self, name: str) -> list[float]:
        """How much is added per payment, in each half (least squares)."""
        return [statistics.linear_regression(*half).slope for half in self.halves(name)]

    def most(self, name: str) -> list[float]:
        """The largest value of each half."""
        return [max(values) for _, values in self.halves(name)]


@dataclass(frozen=True)
class Soaked:
    """What a soak showed. `recorded`: bytes of records per payment, as they are in a spool."""

    name: str
    course: Course
    recorded: float
    seconds: float
    cpu_s: float | None = None
    forgets: bool = False  # the links had a window that was over: what they know is level

    def lines(self) -> list[str]:
        """Everything that was measured."""
        course = self.course
        cpu = f", {self.cpu_s:.0f} s of processor time" if self.cpu_s is not None else ""
        lines = [
            f"{self.name}: {self.seconds:,.0f} s, {course.payments[-1]:,.0f} payments{cpu}; "
            f"{self.recorded:,.0f} B recorded per payment"
        ]
        for name, values in course.seen.items():
            if self.is_level(name):
                first, second = course.most(name)
                lines.append(f"  {name:<28} at most {first:,.0f} and {second:,.0f}")
            else:
                first, second = course.growth(name)
                lines.append(
                    f"  {name:<28} {values[0]:>12,.0f} to {values[-1]:>12,.0f}; "
                    f"per payment {first:,.1f} and {second:,.1f}"
                )
        return lines

    def grown(self) -> list[str]:
        """What grew more than it may; nothing when all is well."""
        found = []
        for name in self.course.seen:
            if self.is_level(name):
                first, second = self.course.most(name)
                if second > 1.5 * first + LEVEL_SLACK:
                    found.append(f"{name} rose from {first:,.0f} to {second:,.0f}")
                continue
            _, second = self.course.growth(name)
            allowed = SLACK * self.allowed(name)
            if second > allowed:
                found.append(f"{name} grows by {second:,.1f} per payment, {allowed:,.1f} may be")
        return found

    def is_level(self, name: str) -> bool:
        """Whether it must stay as it is, however many payments there are."""
        return name.split()[-1] in (*LEVELS, *(KNOWN if self.forgets else ()))

    def allowed(self, name: str) -> float:
        """What may be added per payment: what is recorded of it, and what the mocks must know."""
        owner, _, what = name.rpartition(" ")
        if what in KNOWN:
            return self.course.growth(name)[0]
        if what == "memory" and owner in ("", "services"):
            entries = next(each for each in self.course.seen if each.endswith("entries"))
            return self.recorded + HELD_BYTES * self.course.growth(entries)[0]
        if name in INDEXED:
            return INDEXED_SHARE * self.recorded
        return self.recorded


LEVELS = ("fds", "threads", "tasks", "pending")
LEVEL_SLACK = 10  # descriptors, tasks: a few connections more at one moment than at another
SLACK = 1.3  # a line through samples of memory is no better than that
# run.db has an index by payment beside each table; the run's process caches its pages, to 100 MB.
INDEXED, INDEXED_SHARE = ("run.db disk", "conductor memory"), 1.4
KNOWN = ("keys", "entries")  # of payments, by the links
# A link knows an authorisation and its key for 24 h or longer, as providers do: to the end.
HELD_BYTES = 1_500


def memory_of(process: int | str = "self") -> float:
    """Bytes that belong to a process alone; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(float(line.split()[1]) for line in lines if line.startswith("Private")) * 1024


# -- virtual time ---------------------------------------------------------------------------------
def virtual(lasts_s: int = VIRTUAL_S, rate: int = RATE, window_s: int = 0) -> Soaked:
    """The soak in virtual time, in this process. Records are counted and thrown away."""
    chain_text, experiment_text = texts(lasts_s, rate, window_s)
    chain, experiment = _declared(Chain, chain_text), _declared(Experiment, experiment_text)
    plan = load_plan(chain, experiment, 1)
    schedule = list(arrivals(plan))
    course = Course()
    recorded = [0, 0]  # bytes, payments
    running = VirtualChain(chain, 1)

    def sample(number: int) -> None:
        recorded[0] += len(encode(running.journal))
        running.journal.clear()
        recorded[1] = sum(1 for one in schedule if one.at_s < number * lasts_s / SAMPLES)
        course.add(recorded[1], {"memory": memory_of(), **running.sizes()})

    def switch(fault_switch: Switch) -> None:
        assert not running.switch(fault_switch, 0).error

    begun = time.process_time()
    with collecting_by_steps():
        running.start()
        start_s = running.begin_load(plan) / 1e9
        moments: list[tuple[float, Callable[[], None]]] = [
            (start_s + number * lasts_s / SAMPLES, partial(sample, number))
            for number in range(1, SAMPLES + 1)
        ]
        for each in compile_timeline(chain, experiment):
            moments.append((start_s + 3 + each.at_s, partial(switch, each)))
        for at_s, act in sorted(moments, key=lambda moment: moment[0]):
            while running.now_ns() < int(at_s * 1e9):
                running.advance(int(at_s * 1e9))
            act()
        running.advance()
        assert running.drain() == []
        running.stop()
    took = time.process_time() - begun
    per_payment = recorded[0] / recorded[1]
    return Soaked("virtual", course, per_payment, lasts_s, took, forgets=window_s > 0)


def _declared(kind: type[Any], text: str) -> Any:
    return kind.model_validate(yaml.load(text, Loader=yaml.BaseLoader))


# -- real processes -------------------------------------------------------------------------------
NAMES = {"paychain.toxics": "engine", "paychain.services": "services", "locust": "load"}


def real(lasts_s: int = REAL_S, rate: int = RATE, folder: Path | None = None) -> Soaked:
    """The soak with the real processes of a run, looked at from outside through /proc."""
    if folder is None:
        with tempfile.TemporaryDirectory() as scratch:
            return real(lasts_s, rate, Path(scratch))
    chain, experiment = folder / "soak-chain.yaml", folder / "soak.yaml"
    chain_text, experiment_text = texts(lasts_s, rate)
    chain.write_text(chain_text)
    experiment.write_text(experiment_text)
    command = [
        sys.executable,
        "-m",
        "paychain.cli",
        "run",
        str(chain),
        str(experiment),
        "--out",
        str(folder / "runs"),
        "--quiet",
    ]
    course = Course()
    with subprocess.Popen(command) as run:
        try:
            begun = _wait_for(lambda: next(folder.glob("runs/*/spool/load.go"), None), run)
            spool = begun.parent
            ready = json.loads((spool / "mock-services.ready").read_text())
            processes = {"conductor": run.pid, **_children(run.pid)}
            start_s = time.monotonic()
            for number in range(1, SAMPLES):  # the last one would fall into the end of the run
                time.sleep(max(0.0, start_s + number * lasts_s / SAMPLES - time.monotonic()))
                passed = rate * (time.monotonic() - start_s)
                course.add(passed, _sizes(processes, spool, ready["control"]))
            code = run.wait(timeout=120)
        finally:
            run.kill()
    result = json.loads(next(folder.glob("runs/*/result.json")).read_text())
    # What grows is the same on a machine that stalled for a while.
    others = [reason for reason in result["reasons"] if "host stalled" not in reason]
    expected = {"pass": 0, "fail": 1, "inconclusive": 3 if others != result["reasons"] else None}
    assert code == expected[result["verdict"]], result["reasons"]
    recorded = course.growth("spool disk")
    return Soaked("real", course, statistics.mean(recorded), lasts_s)


def _sizes(processes: Mapping[str, int], spool: Path, control: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, process in processes.items():
        found[f"{name} memory"] = memory_of(process)
        found[f"{name} fds"] = len(list(Path(f"/proc/{process}/fd").iterdir()))
        status = Path(f"/proc/{process}/status").read_text()
        found[f"{name} threads"] = float(status.partition("Threads:")[2].split()[0])
    with urllib.request.urlopen(f"http://127.0.0.1:{control}/health", timeout=10) as answer:
        found |= {f"services {name}": size for name, size in json.load(answer).items()}
    found["spool disk"] = _bytes(spool.glob("*.spool"))
    found["run.db disk"] = _bytes(spool.parent.glob("run.db*"))
    return found


def _bytes(files: Any) -> float:
    return float(sum(file.stat().st_size for file in files))


def _children(parent: int) -> dict[str, int]:
    found = {}
    for process in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        line = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        name = next((short for word, short in NAMES.items() if word in line), None)
        if name is not None:
            found[name] = int(process)
    return found


def _wait_for(found: Callable[[], Path | None], run: subprocess.Popen[bytes]) -> Path:
    until = time.monotonic() + 60
    while (path := found()) is None:
        assert run.poll() is None, "the run ended before its load began"
        assert time.monotonic() < until, "the load did not begin"
        time.sleep(0.05)
    return path


def main(options: Sequence[str] = ()) -> None:
    """Print what each soak showed, and what grew more than it may."""
    parser = ArgumentParser(prog="python -m bench soak", description=__doc__)
    parser.add_argument("--virtual", type=int, default=VIRTUAL_S, help="seconds, 0: not at all")
    parser.add_argument("--real", type=int, default=REAL_S, help="seconds, 0: not at all")
    parser.add_argument("--rate", type=int, default=RATE, help="payments a second")
    parser.add_argument(
        "--window", type=int, default=0, help="seconds that links know a key, in virtual time"
    )
    asked = parser.parse_args(list(options))
    in_window = partial(virtual, window_s=asked.window)
    for lasts_s, soak in ((asked.virtual, in_window), (asked.real, real)):
        if not lasts_s:
            continue
        soaked = soak(lasts_s, asked.rate)
        print("\n".join(soaked.lines()), flush=True)
        print("\n".join(f"  ✕ {each}" for each in soaked.grown()) or "  nothing grew unduly")


if __name__ == "__main__":
    main(sys.argv[1:])
