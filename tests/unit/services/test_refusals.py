"""What a status proves, in a chain: a refusal resolves itself, a decline is a decline."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from paychain.analysis.money.parties import Parties
from paychain.declaration.yaml_text import parse
from paychain.environment.simulated_run import SimulatedRun, simulate_run
from paychain.explore.checks import broken
from paychain.model.chain import Chain
from paychain.model.checks import check_chain
from paychain.model.dialects import Spoken
from paychain.model.experiment import Experiment
from paychain.payments.journal import Decision, DecisionKind, HopRecord, PaymentRecord
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.dialect import Dialect
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.dialects.native import Native
from paychain.protocol.message import Answer, Error, PaymentRequest
from paychain.wire.http import HttpResponse

CLEARS_UP = (
    DecisionKind.REVERSAL_SENT,
    DecisionKind.QUERY,
    DecisionKind.RESEND,
    DecisionKind.GAVE_UP,
)


def chain(on_unknown: str, *, more: str = "", processor: str = "", issuer: str = "") -> Chain:
    text = f"""\
chain: base-1
deadline: 10s
entry: gateway
links:
  gateway:
    role: gateway
    calls: {{authorise: {{to: processor, timeout: 3s, on_unknown: {on_unknown}{more}}}}}
  processor:
    role: processor{processor}
    calls: {{authorise: {{to: issuer, timeout: 2s, on_unknown: reverse}}}}
  issuer: {{role: issuer{issuer}}}
"""
    declared = Chain.model_validate(parse(text).value)
    assert check_chain(declared) == []
    return declared


def played(declared: Chain, fault: str = "") -> SimulatedRun:
    """Two seconds of load, 20 payments a second, with the fault over all of it."""
    text = "experiment: e\nload: {arrivals: 20/s, spacing: even, before: 0s, after: 2s}\n"
    if fault:
        text += f"faults: [{{id: f, at: 0s, for: 2s, target: {{link: processor}}, {fault}}}]\n"
    return simulate_run(declared, Experiment.model_validate(parse(text).value), 1)


def hops(run: SimulatedRun, caller: str = "gateway") -> list[HopRecord]:
    return [
        record
        for record in run.records
        if isinstance(record, HopRecord)
        and (record.caller, record.operation) == (caller, "authorise")
    ]


def payments(run: SimulatedRun) -> list[PaymentRecord]:
    return [record for record in run.records if isinstance(record, PaymentRecord)]


def decided(run: SimulatedRun, *kinds: DecisionKind) -> list[Decision]:
    return [
        record for record in run.records if isinstance(record, Decision) and record.kind in kinds
    ]


@pytest.mark.parametrize("on_unknown", ["give_up", "reverse", "query", "resend"])
@pytest.mark.parametrize("status", [429, 401, 400])
def test_a_refused_request_is_not_an_unknown_outcome(on_unknown: str, status: int) -> None:
    declared = chain(on_unknown)
    run = played(declared, f"http_error: {{status: {status}, share: 50%}}")
    refused = [hop for hop in hops(run) if hop.result is HopResult.REJECTED]
    assert refused
    assert {hop.code for hop in refused} == {str(status)}
    assert decided(run, *CLEARS_UP) == []
    assert broken(run.records, Parties.of(declared), None) == []
    failed = [payment for payment in payments(run) if payment.technical]
    assert len(failed) == len(refused)
    assert {payment.outcome for payment in failed} == {Outcome.DECLINED}


def test_a_503_stays_unknown() -> None:
    declared = chain("give_up")
    run = played(declared, "http_error: {status: 503, share: 50%}")
    gave_up = decided(run, DecisionKind.GAVE_UP)
    assert gave_up
    found = broken(run.records, Parties.of(declared), None)
    assert [breach.rule for breach in found] == ["unknowns_resolved"]


def test_a_refused_request_is_sent_again_where_http_errors_are() -> None:
    retry = ", retry: {attempts: 3, backoff: 10ms, on: [http_error]}"
    run = played(chain("reverse", more=retry), "http_error: {status: 429, share: 50%}")
    assert decided(run, DecisionKind.RETRY)
    assert decided(run, *CLEARS_UP) == []
    # the retry is the same request once more: its reference and its key are those of the first
    assert all(hop.attempt == 1 for hop in hops(run))
    again = {hop.payment for hop in hops(run) if hop.try_number > 1}
    assert again
    approved = {hop.payment for hop in hops(run) if hop.result is HopResult.APPROVED}
    assert again & approved


def test_a_refusal_at_the_entry_fails_the_payment_and_leaves_nothing_unknown() -> None:
    declared = chain("give_up")
    text = """\
experiment: e
load: {arrivals: 20/s, spacing: even, before: 0s, after: 2s}
faults: [{id: f, at: 0s, for: 2s, target: {link: gateway}, http_error: {status: 429}}]
"""
    run = simulate_run(declared, Experiment.model_validate(parse(text).value), 1)
    refused = [payment for payment in payments(run) if payment.error is HopResult.REJECTED]
    assert refused
    assert {payment.outcome for payment in refused} == {Outcome.DECLINED}


class _DeclinesWith402(Native):
    """As some providers do: an error status, and the decline in its body."""

    def write(self, request: PaymentRequest, answer: Answer) -> HttpResponse:
        response = super().write(request, answer)
        if answer.outcome is Outcome.DECLINED:
            response.status = 402
        return response


class _AsksToWait(Native):
    """Refuses with a Retry-After of one second."""

    def error(self, error: Error) -> HttpResponse:
        return super().error(msgspec.structs.replace(error, retry_after_s=1.0))


@pytest.fixture
def _dialects() -> Iterator[None]:
    toys: dict[str, Dialect] = {"declines-402": _DeclinesWith402(), "asks-to-wait": _AsksToWait()}
    DIALECTS.update(toys)
    yield
    for name in toys:
        del DIALECTS[name]


@pytest.mark.usefixtures("_dialects")
def test_a_retry_waits_as_long_as_the_refusal_asks() -> None:
    retry = ", retry: {attempts: 2, backoff: 10ms, on: [rejected]}"
    declared = chain("reverse", more=retry, processor="\n    dialect: asks-to-wait")
    run = played(declared, "http_error: {status: 429, share: 50%}")
    refused = {hop.payment: hop for hop in hops(run) if hop.try_number == 1}
    again = [hop for hop in hops(run) if hop.try_number == 2]
    assert again
    assert all(hop.started_ns - refused[hop.payment].ended_ns >= 1e9 for hop in again)


@pytest.mark.usefixtures("_dialects")
@pytest.mark.parametrize("on_unknown", ["give_up", "reverse"])
def test_a_decline_with_status_402_is_a_business_decline(on_unknown: str) -> None:
    declared = chain(
        on_unknown,
        processor="\n    dialect: declines-402",
        issuer=', declines: {share: 50%, code: "51"}',
    )
    run = played(declared)
    declined = [hop for hop in hops(run) if hop.result is HopResult.DECLINED]
    assert declined
    assert {hop.code for hop in declined} == {"51"}
    assert decided(run, *CLEARS_UP) == []
    assert not any(payment.technical for payment in payments(run))
    assert broken(run.records, Parties.of(declared), None) == []


def test_an_unknown_dialect_is_a_mistake_with_its_place() -> None:
    declared = chain("give_up")
    declared.links["processor"].__dict__["dialect"] = Spoken(name="paychian")
    (problem,) = check_chain(declared)
    assert problem.path == ("links", "processor", "dialect")
    assert "paychian" in problem.what
    assert "paychain" in problem.hint
