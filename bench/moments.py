"""Random moments of small real runs at which one of their processes is killed, ended or frozen.

`python -m bench moments --count 200 --seed 1` tries them and writes a line of JSON for each to
moments.jsonl; what is there already is not tried again. Each run is compared with the undisturbed
run of its scenario: it must come to the same verdict with the same money rules broken, or be
inconclusive; no process and no temporary file stays, nothing prints a traceback, and a run whose
command lived to its end has a result. A run whose command was killed is judged by `paychain judge`.

`--process "isolated link"` disturbs only processes of that name, in the scenario that has them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from paychain.cli.exit_codes import ExitCode
from paychain.model.files import available
from tests.support.chains import corner_shop, experiment, shop
from tests.support.cli import PAYCHAIN, environment, hear_signals
from tests.support.own_chains import own_shop
from tests.support.runs import broken_rules, load_began

DONE = Path("moments.jsonl")
MARK = "MOMENT"  # in the environment of everything that a run starts
TRIES = 3  # for an undisturbed run on a busy machine
RUN_S, JUDGE_S = 240.0, 240.0  # what takes longer hangs, on a busy machine, too
# The stages of a run and how much of each is tried: its processes start, payments are made, what is
# left settles and is judged. On a busy machine only the second keeps to its time.
STAGES_S = {"start": 5.0, "load": 6.0, "drain": 4.0}
GONE_WITHIN_S = 8.0  # an orphan sees within this that its parent is gone
CONDUCTOR, OWN, ISOLATED, KEEPER = "conductor", "own service", "isolated link", "keeper of groups"
NAMES = {  # what a command line holds: which process it is
    "paychain.toxics": "fault engine",
    "/link-": ISOLATED,
    "paychain.services": "mock services",
    "locust": "load process",
    "own/groups.py": KEEPER,  # of the processes of own services
    "own_shop.py": OWN,
    "paychain.cli run": CONDUCTOR,
}


class Scenario(msgspec.Struct, frozen=True):
    """A chain and an experiment of some seconds, and what their run comes to."""

    chain: str
    experiment: str
    verdict: str
    broken: tuple[str, ...] = ()  # money rules
    words: tuple[str, ...] = ()  # further ones of the command


_SOUND: dict[str, Any] = {
    "deadline": "10s",
    "on_unknown": "reverse",
    "processor_authorise": {"on_unknown": "reverse"},
}
_SHORT = {"arrivals": "20/s", "warm_up": "500ms", "before": "1500ms", "after": "1500ms"}
_CUT = experiment(
    "{id: cut, at: 0s, for: 2s, target: {link: issuer}, down: {}}",
    tolerances='{technical_success: {during: ">= 90%"}}',
    **_SHORT,
)


def _lost(link: str) -> str:
    return experiment(
        f"{{id: lost, at: 0s, for: 2s, target: {{link: {link}}}, lost_answer: {{share: 60%}}}}",
        tolerances="{double_charges: 0}",
        **_SHORT,
    )


def _slow(link: str) -> str:
    return experiment(
        f"{{id: slow, at: 0s, for: 2s, target: {{link: {link}}}, latency: {{delay: 20ms}}}}",
        tolerances='{technical_success: {during: ">= 90%"}}',
        **_SHORT,
    )


_CRASH = experiment(
    "{id: crash, at: 0s, for: 1s, target: {link: issuer}, crash: {forgets: true}}",
    tolerances='{technical_success: {during: ">= 90%"}}',
    **_SHORT,
)
SCENARIOS = {
    "passes": Scenario(corner_shop(**_SOUND), _slow("issuer"), "pass"),
    "breaks": Scenario(corner_shop(**_SOUND), _CUT, "fail"),
    "charges twice": Scenario(
        shop(on_unknown="give_up", deadline="10s"),
        _lost("processor-a"),
        "fail",
        ("no_double_charge", "unknowns_resolved"),
    ),
    "two workers": Scenario(
        corner_shop(**_SOUND),
        _CUT,
        "fail",
        words=("--workers", "2"),
    ),
    "crashes": Scenario(
        corner_shop(**_SOUND, issuer={"isolate": True}),
        _CRASH,
        "fail",
    ),
    "own service": Scenario(own_shop(deadline="10s"), _slow("issuer"), "pass"),
    "metrics": Scenario(corner_shop(**_SOUND), _CUT, "fail", words=("--metrics", "0")),
    "bank": Scenario(available("chain")["sepa-instant"].read_text(), _slow("payee-bank"), "pass"),
    "ledger": Scenario(available("chain")["crypto-onramp"].read_text(), _slow("base"), "pass"),
    "ledger pays twice": Scenario(
        available("chain")["stablecoin-payout-new-nonce"].read_text(),
        _lost("node-provider"),
        "fail",
        ("sent_once",),
    ),
}
# The processes that few scenarios have: so rare among all that a moment has to name them.
RARE = {ISOLATED: "crashes", KEEPER: "own service", OWN: "own service"}


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Who is disturbed when and how; drawn from the seed and the number."""

    number: int
    scenario: str
    process: str = ""  # the only name of a process that may be met; "" for all
    whom: float  # 0 to 1, over the processes of the run at that moment
    stage: str
    at_s: float  # since the stage began
    sent: str  # the name of a signal
    lasts_s: float = 0.0  # how long it is frozen

    @classmethod
    def drawn(cls, seed: int, number: int, among: Sequence[str] = ()) -> Moment:
        """The same for the same numbers. `among`: the names of the processes that may be met."""
        chance = random.Random(f"{seed}-{number}")
        sent = chance.choice(("SIGKILL", "SIGTERM", "SIGSTOP", "SIGSTOP"))
        process = chance.choice(among) if among else ""
        return cls(
            number=number,
            scenario=RARE[process] if among else chance.choice(sorted(SCENARIOS)),
            process=process,
            whom=chance.random(),
            stage=(stage := chance.choice(("start", "load", "load", "load", "drain"))),
            at_s=round(chance.random() * STAGES_S[stage], 3),
            sent=sent,
            # From a hiccup to what every call takes for an outage.
            lasts_s=round(0.05 * 120 ** chance.random(), 3) if sent == "SIGSTOP" else 0.0,
        )


class Trial(msgspec.Struct, kw_only=True):
    """What came of a moment. `wrongs` says in words what must not be."""

    moment: Moment
    process: str = ""  # "" when the run was over by then
    exit_code: int
    verdict: str  # "" without a result
    broken: list[str]
    reasons: list[str]
    wrongs: list[str]
    took_s: float


# -- one run --------------------------------------------------------------------------------------
def try_moment(moment: Moment, *, is_disturbed: bool = True) -> Trial:
    """Run the moment's scenario, and disturb it."""
    scenario = SCENARIOS[moment.scenario]
    with tempfile.TemporaryDirectory(prefix="moment-") as name:
        folder = Path(name)
        began_s = time.monotonic()
        run = _begin(folder, scenario, name)
        hit = _disturb(run, moment, folder) if is_disturbed else _Hit()
        try:
            code = run.wait(RUN_S)
        except subprocess.TimeoutExpired:
            code = 0
            hit.wrongs.append(f"it does not end within {RUN_S:g} s")
        took_s = time.monotonic() - began_s
        hit.wrongs += _left(name)
        output = (folder / "output.txt").read_text("utf-8", "replace")
        if hit.process == CONDUCTOR and moment.sent == "SIGKILL" and code == -signal.SIGKILL:
            try:
                code, said = _judged(folder)
                output += said
            except subprocess.TimeoutExpired:
                hit.wrongs.append(f"it is not judged within {JUDGE_S:g} s")
        elif any((folder / "tmp").iterdir()):
            hit.wrongs.append(f"temporary files stay: {next((folder / 'tmp').iterdir()).name}")
        result = _result(folder, hit.wrongs)
        trial = Trial(
            moment=moment,
            process=hit.process,
            exit_code=code,
            verdict=result.get("verdict", ""),
            broken=sorted(broken_rules(result)) if result else [],
            reasons=result.get("reasons", []),
            wrongs=hit.wrongs,
            took_s=round(took_s, 1),
        )
        if "Traceback" in output:
            trial.wrongs.append(f"it prints a traceback: {output[-1_500:]}")
        trial.wrongs += _wrongs(trial, scenario, has_begun=any(folder.glob("runs/*/run.db")))
        return trial


class _Hit:
    """Who was disturbed in the end."""

    def __init__(self) -> None:
        self.process = ""
        self.wrongs: list[str] = []


def _begin(folder: Path, scenario: Scenario, mark: str) -> subprocess.Popen[bytes]:
    (folder / "shop.yaml").write_text(scenario.chain, "utf-8")
    (folder / "quick.yaml").write_text(scenario.experiment, "utf-8")
    (folder / "tmp").mkdir()
    with (folder / "output.txt").open("wb") as output:
        return subprocess.Popen(
            [*PAYCHAIN, "run", "shop.yaml", "quick.yaml", "--out", "runs", *scenario.words],
            cwd=folder,
            env=environment(**{MARK: mark, "TMPDIR": str(folder / "tmp")}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=hear_signals,
        )


def _has_come(folder: Path, stage: str) -> bool:
    match stage:
        case "load":
            return load_began(folder)
        case "drain":
            return b"draining" in (folder / "output.txt").read_bytes()
        case _:
            return True


def _disturb(run: subprocess.Popen[bytes], moment: Moment, folder: Path) -> _Hit:
    hit = _Hit()
    while run.poll() is None and not (
        _has_come(folder, moment.stage)
        and (not moment.process or moment.process in _family(run.pid).values())
    ):
        time.sleep(0.05 if moment.process else 0.02)
    with suppress(subprocess.TimeoutExpired):
        run.wait(moment.at_s)
    living = sorted(
        ((pid, name) for pid, name in _family(run.pid).items() if moment.process in ("", name)),
        key=lambda item: (item[1], item[0]),
    )
    if run.poll() is not None or not living:
        return hit
    pid, hit.process = living[int(moment.whom * len(living))]
    try:
        os.kill(pid, signal.Signals[moment.sent])
        if moment.sent == "SIGSTOP":
            time.sleep(moment.lasts_s)
            os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        # It ended just then, or was given up and killed while it was frozen.
        hit.process = hit.process if moment.sent == "SIGSTOP" else ""
    return hit


def _judged(folder: Path) -> tuple[int, str]:
    """What `paychain judge` says of the run whose command was killed, if it had begun."""
    runs = list(folder.glob("runs/*"))
    if not runs:
        return -signal.SIGKILL, ""
    done = subprocess.run(
        [*PAYCHAIN, "judge", str(runs[0])],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=JUDGE_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def _result(folder: Path, wrongs: list[str]) -> dict[str, Any]:
    for path in folder.glob("runs/*/result.json"):
        try:
            return dict(json.loads(path.read_bytes()))
        except ValueError as error:
            wrongs.append(f"result.json is no JSON: {error}")
    return {}


def _wrongs(trial: Trial, scenario: Scenario, *, has_begun: bool) -> Iterator[str]:
    """What must not be about a result and an exit code."""
    moment, code = trial.moment, trial.exit_code
    if not trial.verdict:
        # Killed or ended before there was anything to judge, and it said so.
        was_ended = trial.process == CONDUCTOR and moment.sent != "SIGSTOP"
        early = {-signal.SIGTERM, -signal.SIGKILL, ExitCode.INTERRUPTED, ExitCode.USAGE}
        if not was_ended or code not in early or (has_begun and code == -signal.SIGTERM):
            yield f"no result, exit code {code}"
        return
    codes = {int(ExitCode.of_verdict(trial.verdict))}
    if trial.process == CONDUCTOR and moment.sent == "SIGTERM":
        # Between its result and its last word.
        codes.add(int(ExitCode.INTERRUPTED))
    if code not in codes:
        yield f"exit code {code} with verdict {trial.verdict}"
    if trial.verdict == "inconclusive":
        if not trial.reasons:
            yield "inconclusive without a reason"
    elif trial.process == OWN and trial.verdict == "fail":
        return  # whoever kills or freezes the user's own service makes it fail: so it is told
    elif trial.verdict != scenario.verdict:
        yield f"verdict {trial.verdict} in place of {scenario.verdict}"
    elif set(trial.broken) != set(scenario.broken):
        yield f"money rules {trial.broken} in place of {list(scenario.broken)}"
    if set(trial.broken) - set(scenario.broken) and trial.process != OWN:
        yield f"money went wrong that did not: {trial.broken}"


# -- its processes --------------------------------------------------------------------------------
def _family(pid: int) -> dict[int, str]:
    """A process and all that it started, by pid: what each is."""
    parents, lines = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(entry.name)] = int(
                (entry / "stat").read_text().rpartition(")")[2].split()[1]
            )
            lines[int(entry.name)] = (
                (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            )
    found = {pid} & set(parents)
    while more := {each for each, parent in parents.items() if parent in found} - found:
        found |= more
    return {each: _name(lines.get(each, "")) for each in found if lines.get(each)}


def _name(line: str) -> str:
    return next((name for mark, name in NAMES.items() if mark in line), line.strip()[-80:])


def _left(mark: str) -> list[str]:
    """Processes of a run that stay behind it."""
    until_s = time.monotonic() + GONE_WITHIN_S
    while left := _marked(mark):
        if time.monotonic() > until_s:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return [f"a process stays: {line}" for line in left.values()]
        time.sleep(0.1)
    return []


def _marked(mark: str) -> dict[int, str]:
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                line = (
                    (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                )
                found[int(entry.name)] = _name(line)
    return found


# -- many -----------------------------------------------------------------------------------------
def undisturbed(name: str) -> str:
    """The verdict of a scenario that nobody disturbs; a busy machine may leave it open."""
    nobody = Moment(number=-1, scenario=name, whom=0.0, stage="start", at_s=0.0, sent="SIGKILL")
    for _ in range(TRIES):
        trial = try_moment(nobody, is_disturbed=False)
        assert not trial.wrongs, (name, trial)
        if trial.verdict != "inconclusive":
            break
    return trial.verdict


def main(words: Sequence[str] = ()) -> None:
    """Try the moments that are not in the file yet, and count all that are."""
    parser = argparse.ArgumentParser(prog="python -m bench moments")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="runs beside each other")
    parser.add_argument(
        "--process", action="append", choices=RARE, default=[], help="disturb no other; repeatable"
    )
    parser.add_argument("--only", type=int, help="try this number again, and write nothing")
    parser.add_argument("--file", type=Path, default=DONE)
    options = parser.parse_args(list(words))
    if options.only is not None:
        moment = Moment.drawn(options.seed, options.only, options.process)
        _show(try_moment(moment))
        return
    lines = options.file.read_bytes().splitlines() if options.file.exists() else []
    if not lines:
        names = {RARE[process]: None for process in options.process} or SCENARIOS
        print("undisturbed:", *(f"{name}: {undisturbed(name)};" for name in names), flush=True)
    done = [msgspec.json.decode(line, type=Trial) for line in lines]
    numbers = set(range(options.count)) - {each.moment.number for each in done}
    moments = [Moment.drawn(options.seed, number, options.process) for number in sorted(numbers)]
    with ThreadPoolExecutor(options.jobs) as pool, options.file.open("ab") as file:
        for trial in pool.map(try_moment, moments):
            file.write(msgspec.json.encode(trial) + b"\n")
            file.flush()
            _show(trial)
            done.append(trial)
    _count(done)


def _show(trial: Trial) -> None:
    moment = trial.moment
    how = f"{moment.sent} {moment.lasts_s:g} s" if moment.lasts_s else moment.sent
    when = f"{moment.stage} + {moment.at_s:.1f} s"
    whom = trial.process or "nobody: it was over"
    print(
        f"{moment.number:4} {moment.scenario}: {how} to {whom} at {when}: "
        f"{trial.verdict or 'no result'}, exit code {trial.exit_code}, {trial.took_s:.1f} s",
        flush=True,
    )
    for wrong in trial.wrongs:
        print(f"     WRONG: {wrong}", flush=True)


def _count(done: Sequence[Trial]) -> None:
    met = [trial for trial in done if trial.process]
    ends: Counter[tuple[str, str]] = Counter()
    for trial in met:
        is_same = trial.verdict == SCENARIOS[trial.moment.scenario].verdict
        ends[trial.process, "same" if is_same else trial.verdict or "none"] += 1
    kinds = ("same", "inconclusive", "fail", "none")
    print(f"\n{len(done)} moments, {len(met)} met a live process")
    print(f"{'':16}" + "".join(f"{kind:>14}" for kind in kinds))
    for process in sorted({process for process, _ in ends}):
        print(f"{process:16}" + "".join(f"{ends[process, kind]:14}" for kind in kinds))
    wrong = [trial for trial in done if trial.wrongs]
    print(f"wrong: {len(wrong)}", *(trial.moment.number for trial in wrong))


if __name__ == "__main__":
    main(sys.argv[1:])
