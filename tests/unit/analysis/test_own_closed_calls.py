"""What own services must not go on without: the vault, sanctions screening."""

from __future__ import annotations

from pathlib import Path

from paychain.analysis.money.findings import money
from tests.support.chains import checked
from tests.support.observed_runs import A, ObservedRun
from tests.support.own_chains import own_shop

VAULT, SCREENING = "vault", "sanctions"
CALLS = {
    "tokenise": {"to": VAULT},
    "screen": {"to": SCREENING},
    "authorise": {"to": "processor-a", "fallback": [{"to": "processor-b"}]},
}
CHAIN = checked(
    own_shop(
        shop={"calls": CALLS},
        links={
            VAULT: {"role": "vault", "dialect": "paychain"},
            SCREENING: {"role": "fraud", "screens": "sanctions", "dialect": "paychain"},
        },
    )
)


def found(run: ObservedRun, path: Path) -> list[str]:
    (rule,) = (
        rule
        for rule in money(run.store(path, CHAIN), CHAIN).rules
        if rule.rule == "closed_calls_stay_closed"
    )
    return sorted(finding.text for finding in rule.payments)


def test_who_asked_in_vain_and_went_on_is_found(tmp_path: Path) -> None:
    run = ObservedRun()
    for number, result in enumerate(("declined", "http_error", "approved")):
        run.pay(f"p{number}", 1.0)
        status = 500 if result == "http_error" else 200
        run.asked(f"p{number}", 1.1, to=SCREENING, operation="screen", result=result, status=status)
        run.asked(f"p{number}", 1.3, to=A)
    # Nobody answers, and the link has not even seen it.
    run.pay("p3", 1.0)
    run.sent(1.1, 0.2, to=VAULT, payment="p3", ended_by="client", target="/tokenise")
    run.asked("p3", 1.4, to=A)
    assert found(run, tmp_path) == [
        "shop → processor-a, attempt 1, without sanctions screening",
        "shop → processor-a, attempt 1, without sanctions screening",
        "shop → processor-a, attempt 1, without tokenisation",
    ]


def test_of_who_asked_nobody_nothing_is_concluded_and_a_later_try_counts(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("known", 1.0)
    run.asked("known", 1.3, to=A)
    run.pay("again", 1.0)
    run.sent(1.1, 0.1, to=VAULT, payment="again", ended_by="client", target="/tokenise")
    run.asked("again", 1.25, to=VAULT, operation="tokenise")
    run.asked("again", 1.4, to=A)
    # Refused: nothing was sent without it.
    run.pay("stopped", 1.0)
    run.asked("stopped", 1.1, to=SCREENING, operation="screen", result="declined")
    assert found(run, tmp_path) == []


def test_when_the_answer_came_is_asked_of_each_payment(tmp_path: Path) -> None:
    run = ObservedRun()
    # The same calls in the same order; only of the second one the answer came too late.
    for payment, took_s in (("p0", 0.1), ("p1", 0.5), ("p2", 0.1)):
        run.pay(payment, 1.0)
        run.asked(payment, 1.1, took_s, to=SCREENING, operation="screen")
        run.asked(payment, 1.4, to=A, key=payment)
        run.in_books(payment, 1.45, "authorised")
    assert found(run, tmp_path) == ["shop → processor-a, attempt 1, without sanctions screening"]
