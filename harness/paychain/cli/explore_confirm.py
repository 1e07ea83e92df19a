"""paychain explore --confirm: replays what was found on real processes, and says what differs."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paychain.analysis.store.store import RunStore
from paychain.declaration.quantity import count
from paychain.explore.checks import WORKS_AGAIN, failed_late
from paychain.explore.spec import SearchSpec
from paychain.model.loading import load_chain, load_experiment
from paychain.payments.errors import UserError
from paychain.report.result import Result
from paychain.runs.chains import chain_of
from paychain.runs.run import run
from paychain.runs.spec import RunSpec


@dataclass(frozen=True)
class Confirmed:
    """What a real run of a finding showed. `is_reproduced`: None when it proves nothing."""

    is_reproduced: bool | None
    text: str


def confirmed(chain: str, path: Path, rule: str, explored: SearchSpec) -> Confirmed:
    """Run a found experiment on real processes; whether it breaks its rule there too."""
    loaded = load_chain(chain)
    try:
        wanted = load_experiment(str(path), loaded.model)
    except UserError as error:  # a mock can fail in ways that a process of its user's cannot
        return Confirmed(None, f"cannot be replayed there: {str(error).splitlines()[0]}")
    with tempfile.TemporaryDirectory() as scratch:
        spec = RunSpec(chain=loaded, experiment=wanted, out=Path(scratch), seed=explored.seed)
        finished = run(spec, chain_of(spec))
        store = RunStore.open(finished.folder / "run.db")
        late = list(failed_late(store, explored.works_again_s))
        store.close()
    return answer_of(finished.result, rule, late[0].payments if late else 0)


def answer_of(result: Result, rule: str, late: int) -> Confirmed:
    """What a real run says of a finding. `late`: payments that failed long after the last heal.

    The money rule broke; or the run proves nothing; or a payment failed after the heal, or the
    required success was missed. Otherwise the real run disagrees with the search.
    """
    broken = {checked.rule: checked.findings for checked in result.money.rules if checked.findings}
    # A fault that lasted too long leaves a run inconclusive, but wrong money stays wrong.
    if rule in broken:
        return Confirmed(True, f"reproduced: {count(broken[rule], 'payment')}")
    if result.verdict == "inconclusive":
        return Confirmed(None, f"inconclusive: {'; '.join(result.reasons)}")
    if rule == WORKS_AGAIN and late:
        return Confirmed(True, f"reproduced: {count(late, 'payment')}")
    if any(judged.measure == rule and judged.passed is False for judged in result.tolerances):
        return Confirmed(True, "reproduced")
    instead = f"; broke {', '.join(broken)} instead" if broken else ""
    return Confirmed(False, f"not reproduced{instead}")


def differences_line(twin: str, service: str, answers: Sequence[Confirmed]) -> str:
    """`twin.yaml and shop.yaml differ in 1 of 3 findings: …`."""
    differ = sum(answer.is_reproduced is False for answer in answers)
    unknown = sum(answer.is_reproduced is None for answer in answers)
    left = f"; {unknown} could not be compared" if unknown else ""
    if not differ:
        compared = len(answers) - unknown
        return f"{twin} and {service} agree in {count(compared, 'finding')}{left}"
    return (
        f"{twin} and {service} differ in {differ} of {count(len(answers), 'finding')}{left}: what "
        "a twin does not learn (breakers, webhooks, captures, state) may be the cause"
    )
