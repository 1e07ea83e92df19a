"""What the review advises keeps nobody waiting longer than those before it wait."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from paychain.declaration.quantity import duration_seconds
from paychain.model.chain import Chain
from paychain.model.loading import FileMistakes, load_chain
from paychain.model.review import ReviewFinding, review
from paychain.model.review.paths import calls_in_payment
from tests.oracle.chains import draw_chain
from tests.oracle.chance import Drawn
from tests.support.chains import as_yaml
from tests.support.laws import examples
from tests.support.remedies import follow

_WAITING = ("timeout", "hedge.after", "connect_timeout", "pick.timeout")
_TIMEOUTS = ("50ms", "300ms", "1s", "2500ms", None, None)  # None: what a call has by default
LEAST_S = 0.01  # a shorter timeout is shorter by at least so much
_DEADLINES = ("500ms", "2s", "7s", "30s")


@st.composite
def declared_chains(draw: st.DrawFn) -> dict[str, Any]:
    """A chain whose timeouts nobody has thought about together."""
    declared = draw_chain(Drawn(draw))
    declared["deadline"] = draw(st.sampled_from(_DEADLINES))
    for link in declared["links"].values():
        for calls in link.get("calls", {}).values():
            for call in calls if isinstance(calls, list) else [calls]:
                call["timeout"] = draw(st.sampled_from(_TIMEOUTS))
                if call["timeout"] is None:
                    del call["timeout"]
    return declared


def patience_s(chain: Chain, link: str) -> float:
    """How long the customer, and everyone on the way to a link, waits for it."""
    return min(
        [
            chain.deadline,
            *(
                min(call.timeout, patience_s(chain, caller))
                for caller in chain.links
                for call in calls_in_payment(chain, caller).values()
                if link in call.targets
            ),
        ]
    )


def waits(finding: ReviewFinding) -> str:
    """The link whose wait a remedy sets; "" where it does not."""
    remedy = finding.remedy
    assert remedy is not None
    words = remedy.key.split(".")
    is_wait = words[0] == "links" and remedy.key.endswith(_WAITING) and remedy.action == "set"
    return words[1] if is_wait else ""


def inversions(file: Path) -> list[ReviewFinding]:
    """The timeouts of a file that end before their callees do, and that it does not accept."""
    findings = review(load_chain(str(file)))
    return [each for each in findings if each.kind == "timeout_inversion" and each.is_open]


@given(declared_chains())
@examples(200)
def test_no_remedy_waits_longer_than_those_before_it(declared: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder, "chain.yaml")
        file.write_text(as_yaml(declared), "utf-8")
        try:
            loaded = load_chain(str(file))
        except FileMistakes:
            assume(False)
        for finding in review(loaded):
            link, remedy = waits(finding), finding.remedy
            assert remedy is not None
            if link and remedy.key.endswith(".timeout"):
                name = remedy.key.split(".")[3]
                before_s = loaded.model.links[link].calls[name].timeout
                allowed_s = max(before_s - LEAST_S, patience_s(loaded.model, link))
                assert duration_seconds(remedy.value) <= allowed_s, str(remedy)
            elif link:
                assert duration_seconds(remedy.value) <= patience_s(loaded.model, link), str(remedy)


@given(declared_chains())
@examples(200)
def test_remedies_of_timeouts_come_to_an_end(declared: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder, "chain.yaml")
        file.write_text(as_yaml(declared), "utf-8")
        try:
            found = inversions(file)
        except FileMistakes:
            assume(False)
        deadline_s = load_chain(str(file)).model.deadline
        followed: set[str] = set()
        while found:
            remedy = found[0].remedy
            assert remedy is not None
            change = f"{remedy.key} {remedy.value}"
            assert change not in followed, change
            followed.add(change)
            follow(remedy, file)
            found = inversions(file)
        assert load_chain(str(file)).model.deadline == deadline_s
