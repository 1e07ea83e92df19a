"""What the review of a chain finds, and on which line; nothing on a chain without that weakness."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model.loading import available, load_chain
from harness.model.review import ReviewFinding, review
from harness.model.review.finding import WHY

# Numbered as an editor shows it: what is found is found there.
CHAIN = """\
chain: shop
deadline: 10s
providers:
  cloud-1: {kind: cloud}
  cloud-2: {kind: cloud}
  line: {kind: carrier}
entry: gateway
links:
  gateway:
    role: gateway
    calls:
      authorise:
        to: a
        timeout: 3s
        on_unknown: reverse
        fallback: [{to: b}]
  a:
    role: processor
    provider: cloud-1
    calls:
      authorise: {to: issuer, timeout: 1s, on_unknown: reverse}
  b:
    role: processor
    provider: cloud-2
    calls:
      authorise: {to: issuer, timeout: 1s, on_unknown: reverse}
  issuer: {role: issuer}
"""
SINGLE = ["single_link gateway", "single_link issuer"]


def found(tmp_path: Path, *changes: tuple[str, str]) -> list[ReviewFinding]:
    text = CHAIN
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "shop.yaml"
    path.write_text(text)
    return review(load_chain(str(path)))


def short(findings: list[ReviewFinding]) -> list[str]:
    return [f"{one.kind} {one.subject.split()[-1]}" for one in findings]


def only(findings: list[ReviewFinding], kind: str) -> ReviewFinding:
    (one,) = (one for one in findings if one.kind == kind)
    return one


def test_a_sound_chain_has_its_single_points_and_nothing_else(tmp_path: Path) -> None:
    assert short(found(tmp_path)) == SINGLE


def test_a_caller_that_gives_up_before_its_callee_is_found_at_its_timeout(tmp_path: Path) -> None:
    one = only(found(tmp_path, ("timeout: 3s", "timeout: 900ms")), "timeout_inversion")
    # a works 10 ms at its 99th percentile and waits 1 s for the issuer
    assert one.place.endswith("shop.yaml:14:9")
    assert "gateway.authorise waits 900 ms, but a may need 1.01 s" in one.what


def test_a_deadline_that_is_passed_on_inverts_no_timeout(tmp_path: Path) -> None:
    findings = found(
        tmp_path, ("timeout: 3s", "timeout: 900ms"), ("deadline: 10s", "passes_deadline: true")
    )
    assert short(findings) == SINGLE


def test_retries_after_a_timeout_lengthen_the_callee(tmp_path: Path) -> None:
    retry = "timeout: 1s, retry: {attempts: 3, backoff: 100ms, on: [timeout]}, on_unknown"
    one = found(tmp_path, ("timeout: 1s, on_unknown", retry))
    # three tries of 1 s, pauses of at most 100 and 200 ms, 10 ms of work: 3.31 s
    assert "a may need 3.31 s" in next(x.what for x in one if x.kind == "timeout_inversion")


def test_time_outs_that_outlast_the_customer_are_found_with_the_longest(tmp_path: Path) -> None:
    one = only(found(tmp_path, ("deadline: 10s", "deadline: 5s")), "deadline_too_short")
    # 3 s at a, 3 s at b, 10 ms of the gateway's own work
    assert one.place.endswith("shop.yaml:2:1")
    assert "waits 5 s, but the time-outs on the way add up to 6.01 s" in one.what
    assert "gateway.authorise with 6 s" in one.what


def test_retries_of_two_links_multiply(tmp_path: Path) -> None:
    change = ("        on_unknown: reverse", "        on_unknown: reverse\n        retry: {}")
    inner = ("timeout: 1s, on", "timeout: 1s, retry: {attempts: 3, on: [refused]}, on")
    one = only(found(tmp_path, change, inner), "amplified_retries")
    # two tries at each of two processors, three tries of each at the issuer: 2 × 2 × 3
    assert one.subject == "link issuer"
    assert "one payment may become 12 requests at issuer" in one.what
    assert "gateway.authorise sends up to 4, a.authorise sends up to 3" in one.what


def test_retries_within_a_budget_do_not_multiply(tmp_path: Path) -> None:
    retry = "retry: {budget: {share: 10%}}"
    change = ("        on_unknown: reverse", f"        on_unknown: reverse\n        {retry}")
    assert short(found(tmp_path, change)) == SINGLE


def test_a_failover_that_leaves_an_unknown_outcome_names_the_run_that_shows_it(
    tmp_path: Path,
) -> None:
    change = ("        on_unknown: reverse", "        on_unknown: give_up")
    one = only(found(tmp_path, change), "failover_on_unknown")
    assert one.place.endswith("shop.yaml:15:9")
    assert "paychain run card-gives-up processor-lost-answers" in one.source
    undeclared = only(found(tmp_path, ("        on_unknown: reverse\n", "")), "failover_on_unknown")
    assert undeclared.place.endswith("shop.yaml:15:9")  # the fallback moved up to this line


@pytest.mark.parametrize("how", ["query", "resend"])
def test_a_query_without_an_answer_leaves_it_unknown_too(tmp_path: Path, how: str) -> None:
    findings = found(tmp_path, ("        on_unknown: reverse", f"        on_unknown: {how}"))
    assert how in only(findings, "failover_on_unknown").what


def test_repeats_at_a_link_without_keys_are_found_but_not_those_of_what_was_never_sent(
    tmp_path: Path,
) -> None:
    unkeyed = ("issuer: {role: issuer}", "issuer: {role: issuer, idempotency: none}")
    unsafe = ("timeout: 1s, on", "timeout: 1s, retry: {on: [refused, reset, timeout]}, on")
    safe = ("timeout: 1s, on", "timeout: 1s, retry: {on: [refused]}, on")
    findings = [one for one in found(tmp_path, unkeyed, unsafe) if one.kind == "retry_without_key"]
    assert [one.subject for one in findings] == ["a.authorise", "b.authorise"]
    assert (
        "sends again after reset, timeout, and issuer has no idempotency keys" in findings[0].what
    )
    assert "retry_without_key" not in {one.kind for one in found(tmp_path, unkeyed, safe)}


def test_a_model_that_works_again_after_a_5xx_is_found_for_retries_after_a_5xx(
    tmp_path: Path,
) -> None:
    model = ("issuer: {role: issuer}", "issuer: {role: issuer, idempotency: checkout}")
    retry = ("timeout: 1s, on", "timeout: 1s, retry: {on: [reset, http_error]}, on")
    findings = found(tmp_path, model, retry)
    whats = [one.what for one in findings if one.kind == "retry_without_key"]
    assert len(whats) == 2
    assert "sends again after http_error, and issuer (checkout) does not store 5xx" in whats[0]


def test_reversals_behind_the_breaker_of_their_calls_are_found(tmp_path: Path) -> None:
    shared = "on_unknown: reverse, breaker: {}, reversal: {shares_breaker: true}}"
    findings = found(tmp_path, ("on_unknown: reverse}", shared))
    behind = [one.subject for one in findings if one.kind == "reversal_behind_breaker"]
    assert behind == ["a.authorise", "b.authorise"]


def test_a_call_with_a_time_out_only_is_found(tmp_path: Path) -> None:
    findings = found(tmp_path, ("{to: issuer, timeout: 1s, on_unknown: reverse}", "{to: issuer}"))
    bare = [one.what for one in findings if one.kind == "call_without_policy"]
    assert bare[0] == (
        "a.authorise has a time-out only: no retry, breaker, fallback and on_unknown"
    )


def test_a_fallback_with_the_provider_of_what_it_replaces_is_found(tmp_path: Path) -> None:
    findings = found(tmp_path, ("provider: cloud-2", "provider: cloud-1"))
    shared = only(findings, "shared_provider")
    assert shared.place.endswith("shop.yaml:16:9")
    assert shared.what == "gateway.authorise: a and its fallback b both need cloud-1"
    assert (
        "without cloud-1 (a, b) no payment goes through" in only(findings, "single_provider").what
    )


def test_a_carrier_both_ways_need_further_down_is_found_with_the_link(tmp_path: Path) -> None:
    findings = found(tmp_path, ("issuer: {role: issuer}", "issuer: {role: issuer, provider: line}"))
    what = only(findings, "shared_provider").what
    assert what.endswith("a and its fallback b both need line (through issuer)")


def test_a_fallback_of_the_links_own_is_a_way_round_up_to_its_limit(tmp_path: Path) -> None:
    step = ("fallback: [{to: b}]", "fallback: [{to: b}, {stand_in: {up_to: 50.00}}]")
    issuer = next(one for one in found(tmp_path, step) if one.subject == "link issuer")
    assert issuer.what == "without issuer no payment over 50.00 EUR goes through"
    step = ("fallback: [{to: b}]", "fallback: [{to: b}, {queue: {}}]")
    assert short(found(tmp_path, step)) == ["single_link gateway"]


def test_every_kind_says_why_it_matters_and_where_that_is_known_from(tmp_path: Path) -> None:
    for one in found(tmp_path, ("deadline: 10s", "deadline: 5s")):
        assert (one.why, one.source) == WHY[one.kind]
        assert one.why.endswith(".")
        assert one.mend


E_COMMERCE = [
    "single_provider cloudflare", "single_provider aws-eu-west-1", "single_link edge",
    "single_link gateway", "amplified_retries scheme", "single_link fraud",
    "single_link authentication", "single_link scheme", "single_link issuer",
]  # fmt: skip
ONE_PATH = [
    "single_provider cloudflare", "single_provider aws-us-east-1", "single_link edge",
    "single_link gateway", "single_link processor-a", "single_link scheme", "single_link issuer",
]  # fmt: skip
EXPECTED = {
    # its standby answers after the call has given up
    "card-blocked-standby": [
        *ONE_PATH[:5], "timeout_inversion processor-a.authorise", "single_link issuer",
    ],
    "card-eager-retries": [*ONE_PATH[:4], "amplified_retries scheme", *ONE_PATH[4:]],
    "card-lifecycle": [*ONE_PATH[:4], "single_link authentication", *ONE_PATH[4:]],
    "card-naive-webhooks": ONE_PATH,
    "card-one-pool": ONE_PATH,
    "card-pool-per-scheme": ONE_PATH,
    "card-retries-anew": [*ONE_PATH[:4], "retry_without_key gateway.authorise", *ONE_PATH[4:]],
    "card-stand-in": ONE_PATH,
    "card-void-breaker": [
        *ONE_PATH[:4], "reversal_behind_breaker gateway.authorise", *ONE_PATH[4:],
    ],
    "card-ecommerce": E_COMMERCE,
    "card-sound": [*E_COMMERCE[:3], "call_without_policy edge.forward", *E_COMMERCE[3:]],
    # the same chain with the one mistake it is there to show
    "card-gives-up": [*E_COMMERCE[:5], "failover_on_unknown gateway.authorise", *E_COMMERCE[5:]],
    "card-single-provider": [
        "single_provider cloudflare", "single_provider aws-us-east-1", "single_link edge",
        "single_link gateway", "call_without_policy gateway.authenticate", "single_link fraud",
        "single_link authentication", "single_link processor-a", "single_link scheme",
        "single_link issuer",
    ],
}  # fmt: skip


@pytest.mark.parametrize("chain", sorted(available("chain")))
def test_every_shipped_chain_has_exactly_its_expected_findings(chain: str) -> None:
    assert chain in EXPECTED, f"add what the review of {chain} is expected to find"
    assert short(review(load_chain(chain))) == EXPECTED[chain]
