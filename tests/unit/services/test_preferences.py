"""Routing: payments that prefer another link, by share, amount, card, merchant and health."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from paychain.analysis.store.store import RunStore
from paychain.model.loading import FileMistakes, load_chain, load_experiment
from paychain.model.routing import Preference
from paychain.payments.cards import TEST_CARDS
from paychain.payments.journal import HopRecord, PaymentRecord
from paychain.protocol.message import PaymentRequest
from paychain.report.result import Result
from paychain.runs.chains import chain_of
from paychain.runs.run import run
from paychain.runs.spec import RunSpec
from paychain.services.context import Context
from paychain.services.policies.preferences import Preferences

CHAIN = """
chain: shop
currency: EUR
deadline: 10s
entry: gateway
links:
  gateway:
    role: gateway
    calls:
      authorise:
        to: a
        prefer: {prefer}
        timeout: 1s
        on_unknown: reverse
        fallback: [{{to: b}}]
  a: {{role: processor, calls: {{authorise: {{to: issuer, timeout: 500ms, on_unknown: reverse}}}}}}
  b: {{role: processor, calls: {{authorise: {{to: issuer, timeout: 500ms, on_unknown: reverse}}}}}}
  issuer: {{role: issuer}}
"""
LOAD = (
    "load: {arrivals: 50/s, warm_up: 0s, before: 1s, after: 2s, merchants: {Books: 50%, Cars: 50%}}"
)


def write(folder: Path, prefer: str) -> Path:
    path = folder / "shop.yaml"
    path.write_text(CHAIN.format(prefer=prefer))
    return path


def played(
    folder: Path, prefer: str, faults: str = "[]"
) -> tuple[Result, dict[str, PaymentRecord], list[HopRecord]]:
    """The result, the payments by id, and what the gateway sent to processors."""
    chain = load_chain(str(write(folder, prefer)))
    path = folder / "x.yaml"
    path.write_text(f"experiment: x\n{LOAD}\nfaults: {faults}\ntolerances: {{}}\n")
    experiment = load_experiment(str(path), chain.model)
    spec = RunSpec(chain=chain, experiment=experiment, out=folder, virtual=True)
    finished = run(spec, chain_of(spec))
    with closing(RunStore.open(finished.folder / "run.db")) as store:
        payments = {payment.payment: payment for payment in store.rows(PaymentRecord)}
        hops = [
            hop
            for hop in store.rows(HopRecord)
            if hop.caller == "gateway" and hop.operation == "authorise"
        ]
    return finished.result, payments, hops


def test_a_share_of_the_payments_goes_to_another_link(tmp_path: Path) -> None:
    result, _, hops = played(tmp_path, "[{to: b, share: 30%}]")
    # 30 % of 150: a standard deviation is 5.6, and four are allowed.
    assert Counter(hop.callee for hop in hops)["b"] == pytest.approx(45, abs=22)
    assert not result.fallbacks  # nobody fell back
    assert {hop.route for hop in hops} == {0}


def test_each_of_two_shares_is_of_payments_of_its_own() -> None:
    """Also beside one that counts only while the call's own target fails, or for other payments."""
    context = Context(link="gateway", seed=1, now_ns=lambda: 0, journal=[], span_prefix="0")
    requests = [
        PaymentRequest(f"p{number}", 1_000, "EUR", TEST_CARDS[0]) for number in range(2_000)
    ]

    def chosen(*declared: dict[str, Any]) -> Counter[str]:
        asked = [Preference.model_validate(each) for each in declared]
        preferences = Preferences(asked, context, "EUR")
        found = map(preferences.choose, requests)
        return Counter(each.to for each in found if each is not None)

    b, c = {"to": "b", "share": "20%"}, {"to": "c", "share": "20%"}
    failing = {"failure_rate": "50%"}
    # A standard deviation is 18.
    shares = chosen(b, c)
    assert [shares[name] for name in "bc"] == [pytest.approx(400, abs=72)] * 2
    assert chosen(b | {"when_failing": failing}, c) == {"c": pytest.approx(400, abs=72)}
    assert chosen(b | {"merchants": ["Cars"]}, c) == {"c": pytest.approx(400, abs=72)}


@pytest.mark.parametrize(
    ("prefer", "fits"),
    [
        ("{amount: {from: 50.00}, to: b}", lambda payment: payment.amount_minor >= 5_000),
        (
            "{amount: {from: 20.00, up_to: 50.00}, to: b}",
            lambda payment: 2_000 <= payment.amount_minor <= 5_000,
        ),
        ("{cards: {schemes: [amex, discover]}, to: b}", lambda p: p.scheme in ("amex", "discover")),
        ("{merchants: [Cars], to: b}", lambda payment: payment.merchant == "Cars"),
        (
            "{merchants: [Cars], amount: {up_to: 40.00}, to: b}",
            lambda payment: payment.merchant == "Cars" and payment.amount_minor <= 4_000,
        ),
    ],
)
def test_payments_that_fit_go_to_another_link(tmp_path: Path, prefer: str, fits: object) -> None:
    _, payments, hops = played(tmp_path, f"[{prefer}]")
    assert callable(fits)
    assert {hop.callee for hop in hops} == {"a", "b"}
    for hop in hops:
        assert (hop.callee == "b") == fits(payments[hop.payment])


def test_a_payment_whose_preferred_link_is_down_gets_the_calls_own_target(tmp_path: Path) -> None:
    faults = "[{at: 0s, for: 2s, target: {link: b}, down: {}}]"
    result, _, hops = played(tmp_path, "[{to: b, share: 100%}]", faults)
    assert {phase.technical_success for phase in result.phases if phase.offered} == {1.0}
    (fallback,) = result.fallbacks
    assert (fallback.to, fallback.activations) == ("a", 100)  # 50/s for 2 s
    # Who was refused at its preferred link is not sent there a second time.
    assert max(Counter(hop.payment for hop in hops).values()) == 2
    assert not [rule.rule for rule in result.money.rules if rule.findings]


def test_payments_leave_a_link_that_fails_and_come_back(tmp_path: Path) -> None:
    prefer = "[{to: b, when_failing: {failure_rate: 50%, window: 1s, minimum_calls: 5}}]"
    faults = "[{at: 0s, for: 2s, target: {link: a}, http_error: {status: 503}}]"
    result, _, hops = played(tmp_path, prefer, faults)
    assert {phase.technical_success for phase in result.phases if phase.offered} == {1.0}
    (fallback,) = result.fallbacks
    # Half of the last second's 50 calls have failed after 25 of them. From then on 4 or 5 calls a
    # second still go to the failing link: when its window has run empty.
    diverted = [hop for hop in hops if hop.callee == "b"]
    assert fallback.activations == len(diverted) == pytest.approx(100 + 25, abs=30)
    assert len([hop for hop in hops if hop.callee == "a" and not hop.result.worked]) < 45
    assert max(hops, key=lambda hop: hop.started_ns).callee == "a"
    assert {hop.route for hop in diverted} == {1}
    assert not [rule.rule for rule in result.money.rules if rule.findings]


@pytest.mark.parametrize(
    ("prefer", "message"),
    [
        ("[{to: c, share: 5%}]", "unknown link 'c'"),
        ("[{to: a, share: 5%}]", "'a' is the call's own target"),
        ("[{to: b, share: 60%}, {to: b, share: 60%}]", "the shares are 120 % together"),
        ("[{to: b}]", "every payment matches"),
        ("[{to: b, amount: {from: 9.00, up_to: 1.00}}]", "no amount matches"),
        ("[{to: b, when_failing: {}}]", "'failure_rate' is missing"),
    ],
)
def test_a_mistake_in_a_preference_has_its_place(tmp_path: Path, prefer: str, message: str) -> None:
    with pytest.raises(FileMistakes) as caught:
        load_chain(str(write(tmp_path, prefer)))
    assert "shop.yaml:12:" in str(caught.value)
    assert message in str(caught.value)
