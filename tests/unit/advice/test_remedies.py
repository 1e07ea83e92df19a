"""A remedy follows from what the payments that broke a rule show, not from declarations alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from paychain.advice.advise import rule_with_remedies, tolerance_with_remedies, with_remedies
from paychain.advice.case import Case
from paychain.advice.code import IN_CODE, remedies_in_code
from paychain.advice.injected import Injected
from paychain.advice.weaknesses import CAUSES
from paychain.analysis.analyse import Analysis, analyse
from paychain.analysis.measures.measures import Break, MoneyRule, ToleranceResult, UnknownCall
from paychain.model.loading import load_chain, load_experiment
from paychain.model.review import review
from paychain.payments.rules import RULES
from paychain.runs.spec import Inputs
from tests.support.chains import checked, experiment, shop
from tests.support.cli import invoked
from tests.support.own_chains import own_shop
from tests.support.paths import ROOT
from tests.support.recorded import Recorded

ORPHANED = MoneyRule("no_orphaned_authorisation", "No orphaned authorisation", 3, 3_000, [])
# The service is said to wait for 500 ms; the mocks behind it may work for a second.
CLAIM = {"timeout": "500ms"}


def advised(inputs: Inputs, analysis: Analysis) -> Analysis:
    return with_remedies(analysis, inputs.chain, inputs.experiment.model, inputs.review)


def unknown(result: str, *, caller: str = "shop", code: str = "") -> UnknownCall:
    operation = "pay" if caller == "customer" else "authorise"
    return UnknownCall(
        caller=caller,
        operation=operation,
        callee="processor-a",
        result=result,
        code=code,
        payments=3,
    )


def remedies(
    folder: Path, claims: dict[str, Any], *calls: UnknownCall, **further: Any
) -> list[str]:
    """What is to be changed so that nothing stays held for nobody, as `key: value`."""
    call = {"to": "processor-a", "fallback": [{"to": "processor-b"}], "claims": claims}
    (folder / "shop.yaml").write_text(own_shop(call=call, **further))
    chain = load_chain(str(folder / "shop.yaml"))
    rule = msgspec.structs.replace(ORPHANED, unknown=list(calls))
    case = Case(chain=chain, review=review(chain))
    judged = rule_with_remedies(rule, case)
    found = judged.remedies
    assert all(remedy.of == rule.rule for remedy in found)
    in_code = remedies_in_code(rule.rule, case)
    # What the code should do is said where no key is the cause.
    assert found
    if found == in_code:
        return []
    assert not set(map(str, found)) & set(map(str, in_code))
    keys = [f"{each.key.removeprefix('links.')}: {each.value}" for each in found]
    tolerance = ToleranceResult(
        id="orphaned_authorisations.all",
        measure="orphaned_authorisations",
        phase="all",
        required="<= 0",
        observed=3,
        observed_text="3",
        margin_text="",
        passed=False,
    )
    limit = tolerance_with_remedies(tolerance, case, [judged])
    assert [f"{each.key.removeprefix('links.')}: {each.value}" for each in limit.remedies] == keys
    return keys


WAITS = "shop.calls.authorise.claims.timeout: 1100ms"
REVERSES = "shop.calls.authorise.claims.on_unknown: reverse"


def test_what_was_left_too_early_has_to_wait_longer(tmp_path: Path) -> None:
    assert remedies(tmp_path, CLAIM, unknown("timeout"))[0] == WAITS


@pytest.mark.parametrize("result", ["http_error", "reset", "malformed"])
def test_an_error_is_no_reason_to_wait_longer(tmp_path: Path, result: str) -> None:
    assert remedies(tmp_path, CLAIM, unknown(result, code="503")) == [REVERSES]


def test_nor_is_the_timeout_of_another_call(tmp_path: Path) -> None:
    calls = unknown("http_error"), unknown("timeout", caller="processor-a")
    assert WAITS not in remedies(tmp_path, CLAIM, *calls)


def test_a_deadline_is_too_short_for_those_who_left_only(tmp_path: Path) -> None:
    claims = {"timeout": "5s", "on_unknown": "reverse"}
    left = remedies(tmp_path, claims, unknown("timeout", caller="customer"))
    assert [key.partition(":")[0] for key in left] == ["deadline"]
    assert remedies(tmp_path, claims, unknown("http_error")) == []


def test_code_that_claims_nothing_has_to_clear_up_what_it_leaves_unknown(tmp_path: Path) -> None:
    assert remedies(tmp_path, {"timeout": "2s"}, unknown("http_error")) == [REVERSES]
    # It claims that already: what it does instead stands beside the claim in the report.
    claims = {"timeout": "2s", "on_unknown": "reverse"}
    assert remedies(tmp_path, claims, unknown("http_error")) == []


def test_a_weakness_that_no_payment_shows_is_no_cause(tmp_path: Path) -> None:
    claims = {"timeout": "2s", "on_unknown": "give_up"}
    assert remedies(tmp_path, claims, unknown("http_error")) == [REVERSES]
    assert remedies(tmp_path, claims) == []


MOCKS = """\
chain: shop
deadline: 5s
entry: edge
links:
  edge: {role: edge, answers_in: {median: 2ms, p99: 6ms}, forwards_to: gateway}
  gateway: {role: gateway, answers_in: {median: 5ms, p99: 14ms}, calls: {
      authorise: {to: issuer, timeout: 2s, on_unknown: reverse}}}
  issuer: {role: issuer}
"""
# The gateway needs up to 2,014 ms, and the edge in front of it 6 ms.
ASKS = ["customer: c.yaml:1: set customer.retry: {after: 2980ms}"]


# Limits for which a way round what broke most payments helps.
WAY_ROUND = ["technical_success", "approval_rate", "failover", "detection", "recovery"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MOCKS, ASKS),
        # The last try would have less than the longest answer takes.
        (MOCKS.replace("timeout: 2s", "timeout: 2500ms"), []),
        (MOCKS.replace("timeout: 2s, ", ""), []),
        # Asked again there, it would be paid a second time.
        (MOCKS.replace("role: gateway,", "role: gateway, idempotency: none,"), []),
        (f"customer: {{retry: {{after: 2s}}}}\n{MOCKS}", []),
        (f"customer: {{leaves: {{share: 5%, after: 2s}}}}\n{MOCKS}", []),
    ],
    ids=["keys", "answers too long", "no timeout", "no keys", "asks already", "leaves"],
)
def test_what_only_the_customer_was_not_told_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(text)
    chain = load_chain("c.yaml")
    rule = msgspec.structs.replace(ORPHANED, unknown=[unknown("reset", caller="customer")])
    found = rule_with_remedies(rule, Case(chain=chain)).remedies
    assert [f"{each.at}: {each}" for each in found] == expected
    group = Break(
        caller="customer",
        operation="pay",
        callee="edge",
        failure="reset",
        code="",
        phase="during",
        faults=[],
        payments=3,
        amount=3_000,
        examples=[],
    )
    for measure in WAY_ROUND:
        broken = ToleranceResult(
            id=f"{measure}.during",
            measure=measure,
            phase="during",
            required="",
            observed=0.5,
            observed_text="",
            margin_text="",
            passed=False,
        )
        limit = tolerance_with_remedies(broken, Case(chain=chain, breaks=[group]))
        assert [f"{each.at}: {each}" for each in limit.remedies] == expected
        assert {each.of for each in limit.remedies} <= {measure}


STORES = """\
chain: shop
entry: gateway
links:
  gateway:
    role: gateway
    calls:
      authorise: {to: processor, on_unknown: reverse, fallback: [{queue: {within: 5s}}]}
  processor: {role: processor, calls: {authorise: {to: issuer, on_unknown: reverse}}}
  issuer: {role: issuer}
"""
TRIES_LONGER = "set links.gateway.calls.authorise.fallback[0].queue.within: 60s"
STORES_NOTHING = "remove links.gateway.calls.authorise.fallback[0]"


@pytest.mark.parametrize(
    ("lasts", "given_up", "expected"),
    [
        ("2s", [], [STORES_NOTHING]),
        # Tried a pause too late, or behind others: the fault was over in time.
        ("4600ms", ["gateway.authorise"], [TRIES_LONGER, STORES_NOTHING]),
        ("4600ms", ["processor.authorise"], [STORES_NOTHING]),
        ("7s", [], [TRIES_LONGER, STORES_NOTHING]),
    ],
    ids=["declined", "given up", "another's", "given up, perhaps"],
)
def test_a_queue_that_gave_nothing_up_and_tries_for_longer_than_the_faults_last_is_long_enough(
    tmp_path: Path, lasts: str, given_up: list[str], expected: list[str]
) -> None:
    (tmp_path / "c.yaml").write_text(STORES)
    fault = f"{{id: f, at: 1s, for: {lasts}, target: {{link: processor}}, down: {{}}}}"
    (tmp_path / "e.yaml").write_text(experiment(fault))
    chain = load_chain(str(tmp_path / "c.yaml"))
    outage = load_experiment(str(tmp_path / "e.yaml"), chain.model)
    case = Case(
        chain=chain,
        review=review(chain, outage),
        experiment=outage.model,
        given_up=given_up,
    )
    rule = MoneyRule("no_approval_without_money", "No approval without money", 3, 3_000, [])
    found = rule_with_remedies(rule, case).remedies
    assert [str(each).split(": ", 1)[1] for each in found] == expected


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("link: gateway}, crash: {}", "gateway: set links.gateway.outbox: disk"),
        ("link: processor-b}, crash: {}", ""),  # it had nothing to reverse
        ("link: gateway}, http_error: {}", ""),  # which it remembered
    ],
)
def test_reversals_that_a_crash_lost_are_kept_on_disk(
    tmp_path: Path, fault: str, expected: str
) -> None:
    (tmp_path / "c.yaml").write_text(shop(processor_authorise={"on_unknown": "give_up"}))
    (tmp_path / "e.yaml").write_text(experiment(f"{{id: f, at: 1s, for: 1s, target: {{{fault}}}"))
    chain = load_chain(str(tmp_path / "c.yaml"))
    case = Case(
        chain=chain, experiment=load_experiment(str(tmp_path / "e.yaml"), chain.model).model
    )
    found = rule_with_remedies(ORPHANED, case).remedies
    assert [f"{each.at}: {str(each).split(': ', 1)[1]}" for each in found] == list(
        filter(None, [expected])
    )


def test_what_queues_gave_up_is_read_from_the_records() -> None:
    chain = checked(shop(processors=["processor-a"], authorise={"fallback": [{"queue": {}}]}))
    for kind, expected in (("queue_expired", {"gateway.authorise"}), ("queue_delivered", set())):
        run = Recorded()
        run.decide(run.pay(0), kind, 1, "processor-a")
        assert analyse(run.store(), chain, run.experiment(), run.facts()).given_up == expected


LATE = ToleranceResult(
    id="latency_p95",
    measure="latency_p95",
    phase="all",
    required="<= 1s",
    observed=1.6,
    observed_text="1.6 s",
    margin_text="",
    passed=False,
)


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        (None, ["gateway.authorise.retry.budget", "edge.forward.hedge.after"]),
        ({}, []),
        ({"retry": ["edge.forward"], "hedge": ["gateway.authorise"]}, []),
        ({"retry": ["gateway.authorise"]}, ["gateway.authorise.retry.budget"]),
        ({"hedge": ["edge.forward"]}, ["edge.forward.hedge.after"]),
    ],
)
def test_what_payments_never_used_did_not_make_them_late(
    tmp_path: Path, used: dict[str, list[str]] | None, expected: list[str]
) -> None:
    declared = (ROOT / "chains/card-overload.yaml").read_text("utf-8")
    hedged = "calls: {forward: {to: gateway, hedge: {after: 1ms}}}"
    (tmp_path / "c.yaml").write_text(declared.replace("forwards_to: gateway", hedged))
    (tmp_path / "e.yaml").write_text(experiment())
    chain = load_chain(str(tmp_path / "c.yaml"))
    slow = load_experiment(str(tmp_path / "e.yaml"), chain.model)
    case = Case(chain=chain, review=review(chain, slow), experiment=slow.model, used=used)
    keys = [remedy.key for remedy in tolerance_with_remedies(LATE, case).remedies]
    short = [key.removeprefix("links.").replace(".calls.", ".") for key in keys]
    assert sorted(short) == sorted(expected)


@pytest.mark.slow
@pytest.mark.parametrize(("link", "is_retried"), [("edge", False), ("scheme", True)])
def test_a_budget_for_retries_is_advised_where_a_run_made_some(
    tmp_path: Path, link: str, is_retried: bool
) -> None:
    fault = f"{{at: 0s, for: 5s, target: {{link: {link}}}, latency: {{delay: 1500ms}}}}"
    (tmp_path / "e.yaml").write_text(experiment(fault, tolerances='{latency_p95: "<= 1s"}'))
    done = invoked(tmp_path, "run", "card-overload", "e.yaml", "--virtual")
    assert done.exit_code == 1, done.stderr
    assert ("retry.budget" in done.stdout) == is_retried, done.stdout


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("target: {link: node-provider}, lies: {}", ["hot-wallet.read"]),
        ("target: {role: node}, lies: {}", ["hot-wallet.read"]),
        ("target: {link: node-own}, lies: {}", ["hot-wallet.read"]),
        # Asked by others, or away: the wallet was not deceived.
        ("target: {link: node-public}, lies: {}", []),
        ("target: {link: node-provider}, down: {}", []),
    ],
)
def test_who_believes_one_node_is_the_cause_only_where_that_node_lied(
    tmp_path: Path, fault: str, expected: list[str]
) -> None:
    (tmp_path / "e.yaml").write_text(experiment(f"{{id: f, at: 1s, for: 2s, {fault}}}"))
    chain = load_chain("exchange-deposit")
    lying = load_experiment(str(tmp_path / "e.yaml"), chain.model)
    case = Case(chain=chain, review=review(chain, lying), experiment=lying.model)
    for name in ("sequence_without_gaps", "no_approval_without_money", "legs_balance"):
        rule = MoneyRule(name, name, 3, 3_000, [])
        found = rule_with_remedies(rule, case).remedies
        assert [each.at for each in found if each.cause == "one_node_believed"] == expected


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("wrong_network: {}", ["network_not_checked"]), ("drops: {}", [])],
)
def test_a_network_that_is_not_checked_is_a_cause_only_where_a_node_was_of_another(
    tmp_path: Path, fault: str, expected: list[str]
) -> None:
    stray = f"{{id: f, at: 1s, for: 2s, target: {{link: node-provider}}, {fault}}}"
    (tmp_path / "e.yaml").write_text(experiment(stray))
    chain = load_chain("stablecoin-payout-any-network")
    story = load_experiment(str(tmp_path / "e.yaml"), chain.model)
    case = Case(chain=chain, review=review(chain, story), experiment=story.model)
    rule = MoneyRule("legs_balance", "Legs balance", 3, 3_000, [])
    found = rule_with_remedies(rule, case).remedies
    assert [each.cause for each in found] == expected


BREAKER = "breaker: {open_for: 9s}, fallback: [{to: other}, {queue: {pause: 9s}}]"
OTHER = "  other: {role: processor, calls: {authorise: {to: issuer, on_unknown: reverse}}}\n"


@pytest.mark.parametrize("limit", ["<= 4s", "<\t4s", "<\N{NO-BREAK SPACE}4s", "<4000ms"])
@pytest.mark.parametrize(
    ("measure", "expected"),
    [("drain", "fallback[1].queue.pause: 1s"), ("failback", "breaker.open_for: 2s")],
)
def test_a_limit_on_time_is_what_was_read_from_the_file(
    tmp_path: Path, limit: str, measure: str, expected: str
) -> None:
    text = STORES.replace("fallback: [{queue: {within: 5s}}]", BREAKER) + OTHER
    (tmp_path / "c.yaml").write_text(text)
    (tmp_path / "e.yaml").write_text(experiment(tolerances=json.dumps({measure: limit})))
    chain = load_chain(str(tmp_path / "c.yaml"))
    inputs = Inputs(chain, load_experiment(str(tmp_path / "e.yaml"), chain.model))
    run = Recorded()
    run.pay(0)
    analysis = analyse(run.store(), chain.model, inputs.experiment.model, run.facts())
    (judged,) = analysis.tolerances
    last = msgspec.structs.replace(
        analysis.measured["recovery"], last_s={"gateway authorise": 60.0}
    )
    broken = replace(
        analysis,
        tolerances=[msgspec.structs.replace(judged, passed=False)],
        measured={**analysis.measured, "recovery": last},
    )
    (found,) = advised(inputs, broken).tolerances
    keys = [f"{each.key}: {each.value}" for each in found.remedies]
    assert keys == [f"links.gateway.calls.authorise.{expected}"]


@pytest.mark.parametrize("name", sorted(IN_CODE))
def test_a_rule_that_code_breaks_names_the_service_and_what_it_should_do(
    tmp_path: Path, name: str
) -> None:
    text = own_shop(call={"to": "processor-a", "fallback": [{"to": "processor-b"}]})
    (tmp_path / "shop.yaml").write_text(text)
    chain = load_chain(str(tmp_path / "shop.yaml"))
    rule = MoneyRule(name, RULES[name].title, 3, 3_000, [])
    (remedy,) = rule_with_remedies(rule, Case(chain=chain)).remedies
    assert (remedy.of, remedy.at, remedy.action) == (name, "shop", "code")
    assert remedy.key == "links.shop.service"
    assert "service:" in text.splitlines()[remedy.line - 1]
    assert str(remedy).endswith(f": change the code of links.shop.service: {IN_CODE[name]}")
    # Mocks have no code of a user: there is nothing to change in it.
    (tmp_path / "mocks.yaml").write_text(MOCKS)
    mocks = Case(chain=load_chain(str(tmp_path / "mocks.yaml")))
    assert rule_with_remedies(rule, mocks).remedies == []


def test_a_service_that_takes_no_payments_is_not_blamed_for_their_money(tmp_path: Path) -> None:
    own = {"command": "python3 risk.py", "ready": {"http": "/health"}}
    text = shop(
        gateway={"calls": {"serve": {"to": "risk", "timeout": "1s"}}},
        links={"risk": {"role": "service", "service": own}},
    )
    (tmp_path / "c.yaml").write_text(text)
    chain = load_chain(str(tmp_path / "c.yaml"))
    assert list(chain.model.own_services()) == ["risk"]
    assert [
        remedy for name in IN_CODE for remedy in remedies_in_code(name, Case(chain=chain))
    ] == []


STEP = {"link": "processor-a", "wrong_answer": {"says": "approved"}}


@pytest.mark.parametrize(
    ("injected", "is_blamed"),
    [
        ({"wrong_answer": {"says": "approved"}}, False),
        ({"wrong_answer": {"says": "declined"}}, True),
        ({"lost_answer": {}}, True),
        (None, False),  # by a script
    ],
    ids=["approved", "declined", "lost", "scripted"],
)
@pytest.mark.parametrize("name", ["no_approval_without_money", "paid_orders_have_money"])
def test_code_that_believes_a_false_approval_is_not_to_blame(
    tmp_path: Path, name: str, injected: dict[str, Any] | None, is_blamed: bool
) -> None:
    (tmp_path / "shop.yaml").write_text(
        own_shop(call={"to": "processor-a", "fallback": [{"to": "processor-b"}]})
    )
    chain = load_chain(str(tmp_path / "shop.yaml"))
    target = {"at": "0s", "for": "1s", "target": {"link": "processor-a"}}
    faults = [] if injected is None else [json.dumps({**target, **injected})]
    text = experiment(*faults)
    if injected is None:
        text += f"scripts: {json.dumps([{'payments': {'share': '100%'}, 'steps': [STEP]}])}\n"
    (tmp_path / "e.yaml").write_text(text)
    inputs = Inputs(chain, load_experiment(str(tmp_path / "e.yaml"), chain.model))
    run = Recorded()
    run.pay(0)
    # The shop's hops are not recorded here, so the run is analysed as one of mocks.
    analysis = analyse(run.store(), checked(shop()), inputs.experiment.model, run.facts())
    money = msgspec.structs.replace(
        analysis.measured["money"], rules=[MoneyRule(name, RULES[name].title, 3, 3_000, [])]
    )
    broken = replace(analysis, measured={**analysis.measured, "money": money})
    (rule,) = advised(inputs, broken).measured["money"].rules
    assert [each.action for each in rule.remedies] == ["code"] * is_blamed


@pytest.mark.parametrize(
    ("target", "step", "is_explained"),
    [
        ({"link": "processor-a"}, {"link": "processor-a"}, True),
        ({"call": "shop.authorise"}, {"link": "processor-a", "operation": "capture"}, True),
        # A processor believes its issuer.
        ({"link": "issuer"}, {"link": "issuer"}, True),
        # Nobody asks these for money, or no own service does.
        ({"link": "risk"}, {"link": "risk"}, False),
        ({"role": "fraud"}, {"link": "processor-a", "operation": "void"}, False),
        ({"link": "processor-c"}, {"link": "processor-c"}, False),
    ],
)
def test_only_a_false_approval_of_money_explains_approvals_without_any(
    tmp_path: Path, target: dict[str, str], step: dict[str, str], is_explained: bool
) -> None:
    processor = {"role": "processor", "calls": {"authorise": {"to": "issuer"}}}
    chain = checked(
        own_shop(
            entry=["shop", "other"],
            shop={
                "calls": {
                    "screen": {"to": "risk"},
                    "authorise": {"to": "processor-a", "fallback": [{"to": "processor-b"}]},
                }
            },
            links={
                "risk": {"role": "fraud"},
                "other": {"role": "gateway", "calls": {"authorise": {"to": "processor-c"}}},
                "processor-c": processor,
            },
        )
    )
    says = {"wrong_answer": {"says": "approved"}}
    fault = experiment(json.dumps({"at": "0s", "for": "1s", "target": target, **says}))
    scripts = [{"payments": {"share": "100%"}, "steps": [{**step, **says}]}]
    for text in (fault, f"{experiment()}scripts: {json.dumps(scripts)}\n"):
        (tmp_path / "e.yaml").write_text(text)
        injected = load_experiment(str(tmp_path / "e.yaml"), chain).model
        assert bool(Injected(chain, injected).falsely_approved) == is_explained


@pytest.mark.parametrize("kinds", [["false"], ["true"], ["true", "false"], ["false", "true"]])
def test_a_link_that_one_fault_crashes_plainly_has_lost_its_memory_only(
    tmp_path: Path, kinds: list[str]
) -> None:
    chain = checked(shop())
    crashes = [
        f"{{at: {number}s, for: 500ms, target: {{link: gateway}}, crash: {{forgets: {forgets}}}}}"
        for number, forgets in enumerate(kinds)
    ]
    (tmp_path / "e.yaml").write_text(experiment(*crashes))
    outage = load_experiment(str(tmp_path / "e.yaml"), chain).model
    assert Injected(chain, outage).crashed == ({"gateway"} if "false" in kinds else set())


def test_the_docs_list_every_rule_with_what_leads_to_it() -> None:
    text = (ROOT / "docs" / "measures.md").read_text("utf-8").partition("## Remedies")[2]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.partition("\n## ")[0].splitlines()
        if line.startswith("| `")
    ]
    assert [name.strip("`") for name, *_ in rows] == list(RULES)
    for name, causes, code in rows:
        rule = name.strip("`")
        assert (code == "yes") == (rule in IN_CODE), rule
        if rule in CAUSES:
            assert causes.split(" · ") == [f"`{kind}`" for kind in CAUSES[rule]], rule
        else:
            assert causes.startswith("none: "), rule
