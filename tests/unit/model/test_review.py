"""What the review of a chain finds, and on which line; nothing on a chain without that weakness."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from paychain.model.files import available
from paychain.model.finding_kinds import KINDS
from paychain.model.loading import load_chain
from paychain.model.review import ReviewFinding, review

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
    return [f"{finding.kind} {finding.subject.split()[-1]}" for finding in findings]


def only(findings: list[ReviewFinding], kind: str) -> ReviewFinding:
    (only_finding,) = (finding for finding in findings if finding.kind == kind)
    return only_finding


def test_a_sound_chain_has_its_single_points_and_nothing_else(tmp_path: Path) -> None:
    assert short(found(tmp_path)) == SINGLE


def test_a_caller_that_gives_up_before_its_callee_is_found_at_its_timeout(tmp_path: Path) -> None:
    finding = only(found(tmp_path, ("timeout: 3s", "timeout: 900ms")), "timeout_inversion")
    # a works 10 ms at its 99th percentile and waits 1 s for the issuer
    assert finding.place.endswith("shop.yaml:14:9")
    assert "gateway.authorise waits 900 ms, but a may take 1.01 s" in finding.what


def test_a_deadline_that_is_passed_on_inverts_no_timeout(tmp_path: Path) -> None:
    findings = found(
        tmp_path, ("timeout: 3s", "timeout: 900ms"), ("deadline: 10s", "propagate_deadline: true")
    )
    assert short(findings) == SINGLE


def test_retries_after_a_timeout_lengthen_the_callee(tmp_path: Path) -> None:
    retry = "timeout: 1s, retry: {attempts: 3, backoff: 100ms, on: [timeout]}, on_unknown"
    finding = found(tmp_path, ("timeout: 1s, on_unknown", retry))
    # three tries of 1 s, pauses of at most 100 and 200 ms, 10 ms of work: 3.31 s
    assert "a may take 3.31 s" in next(x.what for x in finding if x.kind == "timeout_inversion")


def test_time_outs_that_outlast_the_customer_are_found_with_the_longest(tmp_path: Path) -> None:
    finding = only(found(tmp_path, ("deadline: 10s", "deadline: 5s")), "deadline_too_short")
    # 3 s at a, 3 s at b, 10 ms of the gateway's own work
    assert finding.place.endswith("shop.yaml:2:1")
    assert "waits 5 s, but the timeouts on the way add up to 6.01 s" in finding.what
    assert "gateway.authorise with 6 s" in finding.what


def test_retries_of_two_links_multiply(tmp_path: Path) -> None:
    change = ("        on_unknown: reverse", "        on_unknown: reverse\n        retry: {}")
    inner = ("timeout: 1s, on", "timeout: 1s, retry: {attempts: 3, on: [refused]}, on")
    finding = only(found(tmp_path, change, inner), "amplified_retries")
    # two tries at each of two processors, three tries of each at the issuer: 2 × 2 × 3
    assert finding.subject == "link issuer"
    assert "one payment can cause 12 requests at issuer" in finding.what
    assert "gateway.authorise sends up to 4, a.authorise sends up to 3" in finding.what


ONE_POOL = available("chain")["card-one-pool"].read_text()
LINK = (
    "  scheme: {role: scheme, calls: {authorise: {to: issuer, timeout: 1s, on_unknown: reverse}}}\n"
)
OTHERS = ("amex", "discover", "mastercard")


def of_schemes(*preferred: str, more: str = "") -> str:
    """The chain with one pool, and these schemes with links of their own."""
    prefer = ", ".join(f"{{to: {name}, cards: {{schemes: [{name}]}}{more}}}" for name in preferred)
    text = ONE_POOL.replace("{to: scheme,", f"{{to: scheme, prefer: [{prefer}],")
    return text.replace(
        LINK, LINK + "".join(LINK.replace("scheme:", f"{x}:", 1) for x in preferred)
    )


@pytest.mark.parametrize(
    ("text", "is_shared"),
    [
        (of_schemes(*OTHERS), False),
        # Two schemes are left for one link.
        (of_schemes("amex", "discover"), True),
        # Half of each scheme's payments go where those of another one do.
        (of_schemes(*OTHERS, more=", share: 50%"), True),
        (of_schemes(*OTHERS).replace("{to: scheme,", "{to: scheme, fallback: [{to: amex}],"), True),
    ],
)
def test_links_of_one_scheme_each_share_no_pool(tmp_path: Path, text: str, is_shared: bool) -> None:
    path = tmp_path / "chain.yaml"
    path.write_text(text)
    kinds = [finding.kind for finding in review(load_chain(str(path)))]
    assert kinds.count("shared_pool") == is_shared


def test_retries_within_a_budget_do_not_multiply(tmp_path: Path) -> None:
    retry = "retry: {budget: {share: 10%}}"
    change = ("        on_unknown: reverse", f"        on_unknown: reverse\n        {retry}")
    assert short(found(tmp_path, change)) == SINGLE


def test_a_failover_that_leaves_an_unknown_outcome_names_the_run_that_shows_it(
    tmp_path: Path,
) -> None:
    change = ("        on_unknown: reverse", "        on_unknown: give_up")
    finding = only(found(tmp_path, change), "failover_on_unknown")
    assert finding.place.endswith("shop.yaml:15:9")
    assert "paychain run card-gives-up processor-lost-answers" in finding.source
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
    findings = [
        each for each in found(tmp_path, unkeyed, unsafe) if each.kind == "retry_without_key"
    ]
    assert [finding.subject for finding in findings] == ["a.authorise", "b.authorise"]
    assert (
        "repeats its request after reset, timeout, and issuer has no idempotency keys"
        in findings[0].what
    )
    assert "retry_without_key" not in {each.kind for each in found(tmp_path, unkeyed, safe)}


def test_a_model_that_works_again_after_a_5xx_is_found_for_retries_after_a_5xx(
    tmp_path: Path,
) -> None:
    model = ("issuer: {role: issuer}", "issuer: {role: issuer, idempotency: checkout}")
    retry = ("timeout: 1s, on", "timeout: 1s, retry: {on: [reset, http_error]}, on")
    findings = found(tmp_path, model, retry)
    whats = [finding.what for finding in findings if finding.kind == "retry_without_key"]
    assert len(whats) == 2
    assert (
        "repeats its request after http_error, and issuer (checkout) does not store 5xx" in whats[0]
    )


def test_reversals_behind_the_breaker_of_their_calls_are_found(tmp_path: Path) -> None:
    shared = "on_unknown: reverse, breaker: {}, reversal: {shares_breaker: true}}"
    findings = found(tmp_path, ("on_unknown: reverse}", shared))
    behind = [finding.subject for finding in findings if finding.kind == "reversal_behind_breaker"]
    assert behind == ["a.authorise", "b.authorise"]


def test_a_call_with_a_time_out_only_is_found(tmp_path: Path) -> None:
    bare = ("      authorise:\n", "      screen: {to: fraud}\n      authorise:\n")
    fraud = ("  issuer: {role", "  fraud: {role: fraud}\n  issuer: {role")
    finding = only(found(tmp_path, bare, fraud), "call_without_policy")
    assert finding.what == "gateway.screen has only a timeout: no retry, breaker or fallback"


def test_a_fallback_with_the_provider_of_what_it_replaces_is_found(tmp_path: Path) -> None:
    findings = found(tmp_path, ("provider: cloud-2", "provider: cloud-1"))
    shared = only(findings, "shared_provider")
    assert shared.place.endswith("shop.yaml:16:9")
    assert shared.what == "gateway.authorise: a and its fallback b both need cloud-1"
    assert "without cloud-1 (a, b) no payment succeeds" in only(findings, "single_provider").what


def test_a_carrier_both_ways_need_further_down_is_found_with_the_link(tmp_path: Path) -> None:
    findings = found(tmp_path, ("issuer: {role: issuer}", "issuer: {role: issuer, provider: line}"))
    what = only(findings, "shared_provider").what
    assert what.endswith("a and its fallback b both need line (through issuer)")


def test_a_place_is_named_once_whatever_its_fallbacks_share(tmp_path: Path) -> None:
    """And a link of that provider which neither of them needs is not on the way."""
    edits = [
        ("issuer: {role: issuer}", "issuer: {role: issuer, provider: line}"),
        (
            "      authorise:\n",
            "      screen: {to: fraud, fallback: [{skip: {}}]}\n      authorise:\n",
        ),
        ("  issuer: {role", "  fraud: {role: fraud, provider: line}\n  issuer: {role"),
        ("provider: cloud-2", "provider: cloud-1"),
        ("fallback: [{to: b}]", "fallback: [{to: b}, {to: c}]"),
        (
            "  issuer: {role",
            "  c: {role: processor, calls: {authorise: {to: issuer}}}\n  issuer: {role",
        ),
    ]
    assert only(found(tmp_path, *edits), "shared_provider").what == (
        "gateway.authorise: a and its fallback b both need cloud-1 and line (through issuer); "
        "a and its fallback c both need line (through issuer)"
    )


def test_a_fallback_of_the_links_own_is_a_way_round_up_to_its_limit(tmp_path: Path) -> None:
    step = ("fallback: [{to: b}]", "fallback: [{to: b}, {stand_in: {up_to: 50.00}}]")
    issuer = next(each for each in found(tmp_path, step) if each.subject == "link issuer")
    assert issuer.what == "without issuer no payment over 50.00 EUR succeeds"
    step = ("fallback: [{to: b}]", "fallback: [{to: b}, {queue: {}}]")
    singles = [each for each in found(tmp_path, step) if each.kind == "single_link"]
    assert short(singles) == ["single_link gateway"]


def test_every_kind_says_why_it_matters_and_where_that_is_known_from(tmp_path: Path) -> None:
    for each in found(tmp_path, ("deadline: 10s", "deadline: 5s")):
        facts = KINDS[each.kind]
        assert (each.costs, each.why, each.source) == (facts.costs, facts.why, facts.source)
        assert each.why.endswith(".")
        assert each.hint


E_COMMERCE = [
    "amplified_retries scheme",
    "single_link edge",
    "single_link gateway",
    "single_link fraud",
    "single_link authentication",
    "single_link scheme",
    "single_link issuer",
    "single_provider cloudflare",
    "single_provider aws-eu-west-1",
]
ONE_PATH = [
    "single_link edge",
    "single_link gateway",
    "single_link processor-a",
    "single_link scheme",
    "single_link issuer",
    "single_provider cloudflare",
    "single_provider aws-us-east-1",
]
OUTBOXES = ["memory_outbox gateway", "memory_outbox processor-a", "memory_outbox scheme"]
CHECKOUT_PAGE = [
    "shared_provider gateway.tokenise",
    "single_link edge",
    "single_link gateway",
    "single_link captcha",
    "single_link fraud",
    "single_link authentication",
    "single_link scheme",
    "single_link issuer",
    "single_provider cloudflare",
    "single_provider fastly",
    "single_provider aws-us-east-1",
    "single_provider aws-eu-west-1",
    "single_provider gcp-europe-west3",
    "single_provider vault-vendor",
]
# accepted in the file, all but what is unavoidable
PAYOUT = [
    "one_node_believed wallet.read",
    "amplified_retries base",
    "single_link payouts",
    "single_link wallet",
    "single_link base",
    "single_provider hetzner-fsn1",
]
DEPOSIT = [
    "one_node_believed hot-wallet.read",
    "amplified_retries base",
    "single_link depositors",
    "single_link edge",
    "single_link exchange",
    "single_link hot-wallet",
    "single_link node-public",
    "single_link base",
    "single_provider cloudflare",
    "single_provider aws-us-east-1",
    "single_provider hetzner-fsn1",
]
ONRAMP = [
    "one_node_believed wallet.read",
    "amplified_retries base",
    "single_link edge",
    "single_link onramp",
    "single_link oracle",
    "single_link screening",
    "single_link scheme",
    "single_link issuer",
    "single_link wallet",
    "single_link base",
    "single_provider cloudflare",
    "single_provider aws-eu-west-1",
    "single_provider hetzner-fsn1",
]
LOOKUPS = ["third_party_in_the_way bank.serve", "single_link bank", "single_link directory"]
LOOKUPS += ["single_link spi", "single_link payer-account", "single_provider bcb"]
TRANSFER = [
    "single_link payer-bank",
    "single_link clearing",
    "single_link payee-bank",
    "single_provider cloud-eu",
    "single_provider csm",
]
UPI_PAYMENT = [
    "deadline_too_short customer",
    "rail_limit_missed switch",
    "single_link payer-bank",
    "single_link switch",
    "single_link payee-bank",
    "single_provider cloud-in",
    "single_provider npci",
]
TRACES = [f"single_link {name}" for name in ("gateway", "acquirer", "switch", "issuer")]
STATUS_CHECKS = [
    "deadline_too_short customer",
    "single_link app",
    "single_link switch",
    "single_link payer-bank",
    "single_provider npci",
]
MANY_NODES = [
    "amplified_retries base",
    "single_link payouts",
    "single_link wallet",
    "single_link base",
    "single_provider own-rack",
]
NODES_OF_ONE = [
    "single_link node-1",
    "single_link payouts",
    "single_link wallet",
    "single_link base",
    "single_provider own-rack",
    "single_provider aws-us-east-1",
]
EXPECTED = {
    # its standby answers after the call has given up
    "card-blocked-standby": [
        "timeout_inversion processor-a.authorise",
        *ONE_PATH[:3],
        *ONE_PATH[4:],
    ],
    "card-eager-retries": ["amplified_retries scheme", *ONE_PATH],
    "card-lifecycle": [
        "memory_outbox gateway",
        "memory_outbox processor-a",
        "memory_outbox scheme",
        *ONE_PATH[:2],
        "single_link authentication",
        *ONE_PATH[2:],
    ],
    "card-naive-webhooks": [
        "no_idempotency processor-a",
        "webhook_not_deduplicated gateway",
        "memory_outbox gateway",
        "memory_outbox processor-a",
        "memory_outbox scheme",
        *ONE_PATH,
    ],
    "card-duplicate-window": [
        "retry_without_key gateway.authorise",
        "no_idempotency processor-a",
        *OUTBOXES,
        *ONE_PATH,
    ],
    "card-no-keys": ["no_idempotency processor-a", *OUTBOXES, *ONE_PATH],
    "card-overload": ["retries_without_budget gateway.authorise", *ONE_PATH],
    "card-overload-budget": ONE_PATH,
    "card-skewed-clock": [
        *OUTBOXES,
        "webhook_refused processor-a",
        "webhook_given_up_early processor-a",
        *ONE_PATH,
    ],
    "card-wrong-decimals": ["wrong_decimals processor-a", *OUTBOXES, *ONE_PATH],
    "card-gift-card": [
        "tenders_not_compensated gateway.authorise",
        "single_link edge",
        "single_link gateway",
        "single_link gift-cards",
        "single_link processor-a",
        "single_link scheme",
        "single_link issuer",
        "single_provider cloudflare",
        "single_provider aws-us-east-1",
    ],
    "card-refund-race": ["refunds_unchecked processor-a", *ONE_PATH],
    "card-one-pool": ["shared_pool processor-a.authorise", *ONE_PATH],
    "card-pool-per-scheme": ONE_PATH,
    "card-retries-anew": ["retry_without_key gateway.authorise", *ONE_PATH],
    "card-stand-in": ["memory_outbox scheme", *ONE_PATH],
    "card-void-breaker": [
        "reversal_behind_breaker gateway.authorise",
        "reversal_given_up_early gateway.authorise",
        *ONE_PATH,
    ],
    "card-ecommerce": E_COMMERCE,
    "card-sound": E_COMMERCE,
    # the same chain with the one mistake it is there to show
    "card-gives-up": ["failover_on_unknown gateway.authorise", *E_COMMERCE],
    "card-routing": [
        "single_link edge",
        "single_link gateway",
        "single_link scheme",
        "single_link issuer",
        "single_provider cloudflare",
    ],
    "card-three-entries": [
        "single_link web-edge",
        "single_link api",
        "single_link pos",
        "single_link gateway",
        "single_link scheme",
        "single_link issuer",
        "single_provider cloudflare",
        "single_provider aws-us-east-1",
    ],
    "checkout-page": CHECKOUT_PAGE,
    # the same page with the one mistake it is there to show
    "checkout-page-captcha-closed": [
        "third_party_in_the_way gateway.serve-captcha",
        *CHECKOUT_PAGE,
    ],
    "checkout-page-vault-open": [
        "closed_call_skipped gateway.tokenise",
        *(
            finding
            for finding in CHECKOUT_PAGE
            if finding.split()[0] != "shared_provider"
            and finding.split()[1] not in ("aws-us-east-1", "vault-vendor")
        ),
    ],
    "crypto-onramp": ONRAMP,
    "crypto-onramp-stale-price": [ONRAMP[0], "stale_price onramp", *ONRAMP[1:]],
    "crypto-onramp-absurd-price": [ONRAMP[0], "stale_price onramp", *ONRAMP[1:]],
    "crypto-onramp-quotes": ONRAMP,
    "crypto-onramp-expired-quote": [ONRAMP[0], "stale_price onramp", *ONRAMP[1:]],
    "crypto-onramp-captures-first": ["captured_before_transfer onramp", *ONRAMP],
    "crypto-onramp-new-nonce": [
        "signed_twice wallet",
        "one_node_believed wallet.read",
        "unknown_left_open wallet.transfer",
        "call_without_policy wallet.transfer",
        *ONRAMP[2:9],
        "single_link node-provider",
        "single_link base",
        "single_provider cloudflare",
        "single_provider aws-eu-west-1",
        "single_provider aws-us-east-1",
        "single_provider hetzner-fsn1",
        "single_provider infura",
    ],
    "exchange-deposit": DEPOSIT,
    "exchange-pauses": DEPOSIT,
    "exchange-pauses-freed": ["freed_early exchange", *DEPOSIT],
    "exchange-deposit-by-block": ["deposit_known_by_block exchange", *DEPOSIT],
    "exchange-deposit-memory": [DEPOSIT[0], "memory_outbox exchange", *DEPOSIT[1:]],
    "stablecoin-payout-reserves-late": ["reserved_late payouts", *PAYOUT],
    "exchange-deposit-quorum-of-one": [
        "split_quorum exchange.scan",
        "split_quorum exchange.read",
        *DEPOSIT,
    ],
    "sepa-instant": TRANSFER,
    "sepa-instant-late-dropped": ["late_answer_dropped payer-bank", *TRANSFER],
    "sepa-instant-keeps-rejected": ["rejected_credit_kept payee-bank", *TRANSFER],
    "sepa-instant-recalls": TRANSFER,
    "sepa-instant-returns-twice": ["returned_again payee-bank", *TRANSFER],
    "upi-payment": UPI_PAYMENT,
    "upi-payment-keeps-returned": ["rejected_credit_kept payee-bank", *UPI_PAYMENT],
    "upi-payment-double-credit": ["double_credit_kept payee-bank", *UPI_PAYMENT],
    "upi-payment-deemed-failed": ["deemed_believed payer-bank", *UPI_PAYMENT],
    "upi-payment-deemed-paid": ["deemed_believed payer-bank", *UPI_PAYMENT],
    "pix-lookups": LOOKUPS,
    "pix-lookups-retried": ["amplified_retries directory", "lookups_used_up bank.serve", *LOOKUPS],
    "card-trace-numbers": TRACES,
    "card-trace-wraps": ["trace_used_twice acquirer.authorise", *TRACES],
    "status-checks": STATUS_CHECKS,
    "status-checks-storm": [
        STATUS_CHECKS[0],
        "checks_without_limit app.authorise",
        "query_too_early app.authorise",
        "query_too_often app.authorise",
        *STATUS_CHECKS[1:],
    ],
    "toncoin-payout": [each.replace(" base", " ton") for each in PAYOUT],
    "toncoin-payout-new-seqno": [
        "signed_twice wallet",
        *(each.replace(" base", " ton") for each in PAYOUT),
    ],
    "toncoin-payout-any-message": [
        "receipt_not_checked wallet",
        *(each.replace(" base", " ton") for each in PAYOUT),
    ],
    "toncoin-payment": [
        "one_node_believed shop.scan",
        "one_node_believed shop.read",
        "amplified_retries ton",
        "single_link customers",
        "single_link edge",
        "single_link shop",
        "single_link node-public",
        "single_link ton",
        "single_provider cloudflare",
        "single_provider hetzner-fsn1",
    ],
    "exchange-deposit-one-confirmation": ["credited_early exchange", *DEPOSIT],
    "stablecoin-payout": PAYOUT,
    "stablecoin-payout-any-network": ["network_not_checked wallet", *PAYOUT],
    "stablecoin-payout-any-receipt": ["receipt_not_checked wallet", *PAYOUT],
    "stablecoin-payout-replaced": PAYOUT,
    "stablecoin-payout-replaced-anew": ["signed_twice wallet", *PAYOUT],
    "stablecoin-payout-frees-early": ["freed_early payouts", *PAYOUT],
    "stablecoin-payout-new-nonce": [
        "signed_twice wallet",
        "one_node_believed wallet.read",
        "unknown_left_open wallet.transfer",
        "call_without_policy wallet.transfer",
        "single_link payouts",
        "single_link wallet",
        "single_link node-provider",
        "single_link base",
        "single_provider aws-us-east-1",
        "single_provider hetzner-fsn1",
        "single_provider infura",
    ],
    "depin-one": ["one_node_believed wallet.read", *NODES_OF_ONE],
    "depin-two": [
        "one_node_believed wallet.read",
        "amplified_retries base",
        *(each for each in NODES_OF_ONE if "node" not in each),
    ],
    "depin-two-apart": ["one_node_believed wallet.read", *MANY_NODES],
    "depin-many": MANY_NODES,
    "depin-many-gateway": [
        "one_node_believed wallet.read",
        "timeout_inversion payouts.transfer",
        "amplified_retries base",
        "call_without_policy wallet.transfer",
        "call_without_policy wallet.read",
        "single_link node-gateway",
        "single_link payouts",
        "single_link wallet",
        "single_link base",
        "single_provider own-rack",
        "single_provider cloudflare",
    ],
    "card-single-provider": [
        "call_without_policy gateway.authenticate",
        "single_link edge",
        "single_link gateway",
        "single_link fraud",
        "single_link authentication",
        "single_link processor-a",
        "single_link scheme",
        "single_link issuer",
        "single_provider cloudflare",
        "single_provider aws-us-east-1",
    ],
}


@pytest.mark.parametrize("chain", sorted(available("chain")))
def test_every_shipped_chain_has_exactly_its_expected_findings(chain: str) -> None:
    assert chain in EXPECTED, f"add what the review of {chain} is expected to find"
    assert short(review(load_chain(chain))) == EXPECTED[chain]


def test_a_clearing_that_deems_is_not_said_to_reject(tmp_path: Path) -> None:
    text = available("chain")["upi-payment"].read_text()
    path = tmp_path / "late.yaml"
    path.write_text(text.replace("timeout: 1500ms", "timeout: 18s"))
    found = {each.subject: each.what for each in review(load_chain(str(path)))}
    assert found["switch.transfer"] == (
        "switch waits 18 s for the payee's bank, and UPI deems it made after 15 s"
    )


@pytest.mark.parametrize(
    ("chain", "sources", "others"),
    [("upi-payment", ("NPCI", "RBI"), ("EPC", "SCT")), ("sepa-instant", ("EPC", "SCT"), ("NPCI",))],
)
def test_each_rail_cites_its_own_source(
    tmp_path: Path, chain: str, sources: tuple[str, ...], others: tuple[str, ...]
) -> None:
    text = available("chain")[chain].read_text()
    path = tmp_path / "late.yaml"
    path.write_text(re.sub(r"timeout: \d+m?s", "timeout: 18s", text))
    cited = {
        each.source for each in review(load_chain(str(path))) if each.kind == "rail_limit_missed"
    }
    (source,) = cited
    assert all(name in source for name in sources)
    assert not any(name in source for name in others)
    assert "paychain docs bank-transfers" in source


def test_a_rail_that_deems_leaves_nothing_open(tmp_path: Path) -> None:
    """Without queries the payee's bank still confirms or returns (test_upi_transfers.py)."""
    text = available("chain")["upi-payment"].read_text()
    asks = re.compile(r" +on_unknown: query.*\n +query: .*\n")
    path = tmp_path / "no-queries.yaml"
    path.write_text(asks.sub("", text))
    assert short(review(load_chain(str(path)))) == UPI_PAYMENT[1:]  # nobody waits for queries
