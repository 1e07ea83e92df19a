"""Mistakes in a user's files are reported with their place, all at once."""

from __future__ import annotations

import re
import time
from functools import cache
from pathlib import Path

import jsonschema
import pytest

from paychain.declaration.yaml_text import parse
from paychain.faults.fault import Fault
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.files import available
from paychain.model.loading import FileMistakes, load_chain, load_experiment
from paychain.payments.errors import UserError
from paychain.runs.matrix import standard_faults

STANDARD = {
    fault.model.experiment for fault in standard_faults()
}  # they strike no link of their own
CHAIN = """\
chain: shop
entry: edge
providers: {cloud: {kind: cloud}}
links:
  edge: {role: edge, forwards_to: gateway}
  gateway:
    role: gateway
    provider: cloud
    calls:
      authorise: {to: processor, timeout: 3s}
  processor: {role: processor, calls: {authorise: {to: issuer, timeout: 2s}}}
  issuer: {role: issuer}
"""


def mistakes(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "shop.yaml"
    path.write_text(text)
    with pytest.raises(FileMistakes) as caught:
        load_chain(str(path))
    return [line.removeprefix(f"{path}:") for line in caught.value.lines]


STEADY = """\
experiment: calm
load: {arrivals: 20/s, before: 1s, after: 1s}
tolerances:
  technical_success: ">= 99.9%"
"""


def experiment_mistakes(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "calm.yaml"
    path.write_text(text)
    with pytest.raises(FileMistakes) as caught:
        load_experiment(str(path))
    return [line.removeprefix(f"{path}:") for line in caught.value.lines]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("to: processor,", "to: procesor,", "10:23: unknown link 'procesor'; did you mean 'proc"),
        ("timeout: 3s", "timeout: 3", "10:43: '3' has no unit; write 3s or 3ms"),
        ("timeout: 3s", "timeot: 3s", "10:34: unknown key 'timeot'; did you mean 'timeout'?"),
        ("provider: cloud\n", "provider: clod\n", "8:15: unknown provider 'clod'; did you mean"),
        (
            "authorise: {",
            "assess: {",
            "10:7: unknown operation 'assess'; authorise pays, screen",
        ),
        ("role: gateway", "role: gatway", "7:11: unknown role 'gatway'; did you mean 'gateway'?"),
        ("{to: issuer, ", "{to: processor, ", "the calls form a cycle"),
        (
            "{to: processor, ",
            "{to: edge, ",
            "10:23: 'edge' has the role edge, not processor, scheme or issuer; authorise is for",
        ),
        (
            "{to: processor, ",
            "{to: processor, hedge: {after: 1s, to: edge}, ",
            "10:57: 'edge' has the role edge, not processor, scheme or issuer",
        ),
        (
            "{to: processor, ",
            "{to: processor, fallback: [{to: edge}], ",
            "10:50: 'edge' has the role edge, not processor, scheme or issuer",
        ),
        (
            "authorise: {to: processor, timeout: 3s}",
            "authorise: {to: processor, timeout: 3s}\n      forward: {to: edge}",
            "11:16: the role gateway never calls 'forward'; declare it on a link with the role",
        ),
        ("entry: edge", "entry: processor", "nothing reaches link 'edge'"),
        ("entry: edge\n", "entry: edge\nentry: edge\n", "3:1: 'entry' is given twice; remove one"),
        ("  edge:", "\tedge:", "5:1: a tab in the indentation; indent with spaces"),
        (
            "{kind: cloud}}",
            "{kind: cloud}",
            "4:1: not YAML: did not find expected ',' or '}'; close the bracket of line 3 and",
        ),
        (
            "entry: edge",
            "entry: %edge",
            "2:8: not YAML: found character that cannot start any token; put the value in quotes",
        ),
        ("entry: edge", "entry: 'edge", "; close the quotes of line 2"),
        ("  processor: {", " processor: {", "indent it like line 1: column 1"),
        ("    provider: cl", "     provider: cl", "align sibling keys in one column"),
        ("entry: edge", "title: a: b", "and put text with a colon in quotes"),
        ("entry: edge", "entry: [edge, [edge]]", "2:15: 'entry' must be text"),
        ("entry: edge", "entry: 1", "2:8: unknown link '1'; there are: edge, gateway, processor"),
        ("entry: edge", "currency: eur\nentry: edge", "three capital letters, such as EUR"),
        (
            "{to: issuer, timeout: 2s}",
            "issuer",
            "11:51: 'authorise' must be a mapping, not 'issuer'; its keys are: to, ",
        ),
        ("timeout: 3s", "timeout: 0s", "10:43: timeout: '0s' is out of range; write more than 0"),
        ("timeout: 3s", "attempts: 2", "10:34: 'attempts' is not allowed here; move it under "),
        (
            "to: processor, ",
            "split: {a: 1}, ",
            "'split' is not allowed here; move it under fallback",
        ),
        (
            # beside a key that is also the name of the kind of fallback
            "timeout: 3s",
            "fallback: [{to: issuer, cards: [visa]}]",
            "'cards' must be a mapping",
        ),
        ("timeout: 3s", "fallback: {to: b}", "'fallback' must be a list; write fallback: […] or"),
        (
            "timeout: 3s",
            "fallback: [{split: {issuer: 60%, processor: 40%}}]",
            "10:62: '60%' is not a whole number; write one such as 3",
        ),
    ],
)
def test_a_mistake_is_reported_with_its_place_and_a_hint(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in CHAIN
    lines = mistakes(tmp_path, CHAIN.replace(old, new, 1))
    assert any(message in line for line in lines), lines


EVERY_FAULT = "at: 0s, for: 5s, target: {link: a}"
AMOUNTS = "load: {arrivals: 1/s, before: 1s, after: 1s, amounts: {%s}}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # what YAML makes of a number: the code 05 stays as it was written
        ("  issuer: {", "  issuer: {declines: {share: 1%, code: 5}, ", "unknown response code '5'"),
        ("timeout: 3s", "timeout: 1s2h", "'1s2h' is not a duration; write larger units first"),
        ("timeout: 3s", "timeout: \u0663s", "'\u0663s' is not a duration"),
        (
            "  edge: {role",
            "  Edge-A: {role",
            "digits and hyphens, at most 63: edge-a",
        ),
        ("timeout: 3s", "hedge: {after: 20s}", "the call times out before its hedge is sent"),
        (
            "timeout: 3s",
            "fallback: [{stand_in: {up_to: 99999999999999}}]",
            "'99999999999999' is too large; write at most 999999999999",
        ),
        (
            "timeout: 3s",
            "fallback: [{stand_in: {up_to: 0}}]",
            "a limit of 0 lets no payment through",
        ),
        ("timeout: 3s", "fallback: [{stand_in: {up_to: 'a'}}]", "'a' is not an amount; write one"),
        ("timeout: 3s", "fallback: [{stand_in: {up_to: '12,50'}}]", "no separators: 12.50"),
        ("timeout: 3s", "breaker: {window: 0s}", "a window of 0s holds no calls"),
        ("timeout: 3s", "breaker: {failure_rate: 0%}", "opens the breaker on calls that worked"),
        ("timeout: 3s", "retry: {backoff: 5s}", "backoff is longer than max_backoff; shorten"),
        ("timeout: 3s", "canary: {}", "unknown key 'canary'; did you mean 'prefer'?"),
        ("timeout: 3s", "circuit_breaker: {}", "unknown key 'circuit_breaker'; did you mean 'brea"),
        (
            "  issuer: {role: issuer",
            "  issuer: {role: issuer, answers_in: {median: 300ms, p99: 100ms}",
            "12:38: p99 is shorter than the median; lengthen p99 or shorten the median",
        ),
        (
            "entry: edge",
            "customer: {retry: {after: 10s}}\nentry: edge",
            "customers leave after 10 s",
        ),
        (
            "entry: edge",
            "customer: {retry: {after: 2s}, leaves: {share: 100%, after: 2s}}\nentry: edge",
            "every customer leaves after 2 s, before they retry; shorten it, or let fewer",
        ),
        (
            "entry: edge",
            "customer: {retry: {after: 0s}}\nentry: edge",
            "without a pause; write one such",
        ),
        (
            "    provider: cloud\n",
            "    provider: cloud\n    captures: {on: webhook}\n",
            "no link sends webhooks to gateway, so nothing is ever captured; add webhooks",
        ),
        (
            "    provider: cloud\n",
            "    provider: cloud\n    captures: {on: [webhook]}\n",
            "no link sends webhooks to gateway, so nothing is ever captured; add webhooks",
        ),
    ],
)
def test_nonsense_in_a_chain_is_a_mistake(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in CHAIN
    lines = mistakes(tmp_path, CHAIN.replace(old, new, 1))
    assert any(message in line for line in lines), lines


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (AMOUNTS % "median: 5, least: 10, most: 40", "the median 5 is below the least amount 10"),
        (AMOUNTS % "median: 50, least: 10, most: 40", "the median 50 is above the most 40; raise"),
        (AMOUNTS % "median: 20, least: 50, most: 40", "the least amount 50 is above the most 40"),
        (AMOUNTS % "median: 0, least: 0, most: 40", "median is 0: no payment would have an amount"),
        (AMOUNTS % "median: 12,50, least: 1, most: 40", "'50' is read as a key: a comma separates"),
        ("load: {arrivals: 1/s}", "'before' is missing; add before:"),
        ("load: {arrivals: 1/s}", "'after' is missing; add after:"),
        ("time_scale: 60", "time_scale: '60' has the wrong form; write 1/60: the run takes"),
        (
            "faults: [{at: 0s, for: 0s, target: {link: a}, down: {}}]",
            "the fault lasts 0 s; write how",
        ),
        (
            f"faults: [{{{EVERY_FAULT}, flapping: {{period: 9s, fault: {{down: {{}}}}}}}}]",
            "a period of 9 s never comes again: the fault lasts 5 s",
        ),
        (
            f"faults: [{{{EVERY_FAULT}, relapse: {{on: 3s, healthy: 2s, fault: {{down: {{}}}}}}}}]",
            "the relapse begins after 5 s, and the fault lasts 5 s",
        ),
        (
            f"faults: [{{{EVERY_FAULT}, maintenance: {{}}}}]",
            "unknown fault 'maintenance'; did you me",
        ),
        (
            f"faults: [{{{EVERY_FAULT}, dns: {{}}}}]",
            "unknown fault 'dns'; the faults are: bandwidth, ",
        ),
        (
            f"faults: [{{{EVERY_FAULT}, lost_answer: {{only: {{schemes: [vista]}}}}}}]",
            "unknown scheme of this load 'vista'; did you mean 'visa'?",
        ),
        (
            f"faults: [{{{EVERY_FAULT}, lost_answer: {{only: {{merchants: [Nobody Ltd]}}}}}}]",
            "unknown merchant 'Nobody Ltd': the load declares none; write merchants:",
        ),
        ("faults: [{at: 0s, duration: 5s, target: {link: a}, down: {}}]", "did you mean 'for'?"),
        (
            "faults: [{at: 0s, for: 5s, target: {color: red}, down: {}}]",
            "unknown key 'color'; the keys here are: link, role, call, hop, provider",
        ),
        (
            'tolerances: {technical_success: "<= 99%"}',
            "wrong sign: a better chain would fail sooner",
        ),
        ('tolerances: {latency_p99: {during: ">= 2s"}}', 'say at most: "<= 2s"'),
        (f"time_scale: {'9' * 5_000}", "9…' has the wrong form; write 1, or such as 1/10"),
        (f"tolerances: {{double_charges: {'9' * 5_000}}}", "9…' is not a number of payments"),
        (f"load: {{users: {'9' * 5_000}, before: 1s, after: 1s}}", "9…' is too large; write"),
        ("load: {users: [1], before: 1s, after: 1s}", "a list is not a whole number; write"),
        ('tolerances: {p95: "<= 2s"}', "unknown key 'p95'; did you mean 'latency_p95'?"),
        ('tolerances: {success_rate: ">= 9%"}', "did you mean 'technical_success'?"),
        ('tolerances: {amplification: ">= 1.3"}', 'say at most: "<= 1.3"'),
        *(
            (f"tolerances: {{amplification: '<= {odd}'}}", "' is not a number; write one such as")
            for odd in ("nan", "inf", "1e999", "1_0", "\u0661", "9" * 5_000)
        ),
        ("stop_when: ['double_charges > \u0661 for 1s']", "is not a "),
        (f"stop_when: ['double_charges > {'9' * 5_000} for 1s']", "9…' is not a number of pay"),
        ('tolerances: {amplification: "<= 130%"}', "write requests for each payment: 1.3"),
        ("tolerances: {double_charges: -1}", "'-1' is not a number of payments; write 0, or"),
    ],
)
def test_nonsense_in_an_experiment_is_a_mistake(tmp_path: Path, text: str, message: str) -> None:
    key = text.partition(":")[0]
    rest = {
        "load": "load: {arrivals: 20/s, before: 1s, after: 1s}",
        "tolerances": "tolerances: {}",
    }
    rest.pop(key, None)
    lines = experiment_mistakes(tmp_path, "\n".join(["experiment: calm", text, *rest.values()]))
    assert any(message in line for line in lines), lines


def test_an_experiment_that_is_checked_says_by_what_it_is_judged(tmp_path: Path) -> None:
    load = "experiment: calm\nload: {arrivals: 20/s, before: 1s, after: 1s}\n"
    path = tmp_path / "calm.yaml"
    path.write_text(load)
    message = "the experiment has no tolerances; add tolerances:, or tolerances: {}"
    with pytest.raises(FileMistakes, match=message):
        load_experiment(str(path), needs_tolerances=True)
    # A run may do without: it says that it was judged by the money rules alone.
    assert load_experiment(str(path)).model.experiment == "calm"
    path.write_text(f"{load}tolerances: {{}}\n")
    assert load_experiment(str(path), needs_tolerances=True).model.experiment == "calm"


def test_counts_are_numbers_or_limits_and_codes_are_written_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "calm.yaml"
    path.write_text(STEADY + '  double_charges: "<= 2"\n  orphaned_authorisations: 0\n')
    tolerances = load_experiment(str(path)).model.tolerances
    assert (tolerances.double_charges, tolerances.orphaned_authorisations) == (2, 0)
    path = tmp_path / "shop.yaml"
    path.write_text(
        CHAIN.replace("{role: issuer}", "{role: issuer, declines: {share: 1%, code: 05}}")
    )
    declines = load_chain(str(path)).model.links["issuer"].declines
    assert declines is not None
    assert declines.code == "05"


def test_durations_may_be_composed_and_last_days(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(
        CHAIN.replace("timeout: 3s", "timeout: 1m30s").replace(
            "{role: issuer}", "{role: issuer, expires_after: 2d}"
        )
    )
    links = load_chain(str(path)).model.links
    assert links["gateway"].calls["authorise"].timeout == 90
    assert links["issuer"].expires_after == 172_800


ANCHORED = """\
chain: shop
x-psp: &psp {role: processor, calls: {authorise: {to: issuer, timeout: 2s}}}
entry: gateway
links:
  gateway: {role: gateway, calls: {authorise: {to: a, fallback: [{to: b}]}}}
  a: *psp
  b: {<<: *psp, outbox: dsk}
  issuer: {role: issuer}
"""


def test_anchors_aliases_and_merges_are_followed_and_own_keys_left_out(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(ANCHORED.replace("dsk", "disk"))
    links = load_chain(str(path)).model.links
    assert links["a"].calls == links["b"].calls
    assert (links["a"].outbox, links["b"].outbox) == ("memory", "disk")
    # what a file writes itself comes before what it merges, and its mistakes stand where it does
    assert mistakes(tmp_path, ANCHORED) == ["7:25: unknown outbox 'dsk'; did you mean 'disk'?"]


@pytest.mark.parametrize(
    "text",
    [
        # ten million values out of seven lines
        "x-0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 7)),
        "x-0: &a {<<: *a}\n",
        "x-0: &a [*a, *a]\n",
        "x-0: &a0 {k: 1}\n"
        + "".join(
            f"x-{n}: &a{n} {{k{n}: [{', '.join([f'*a{n - 1}'] * 12)}]}}\n" for n in range(1, 8)
        ),
        "x-0: &a\n"
        + "".join(f"  k{n}: 1\n" for n in range(3_000))
        + f"x-1: {{<<: [{', '.join(['*a'] * 3_000)}]}}\n",
        "x-0: &a0 {k: 1}\n" + "".join(f"x-{n}: &a{n} {{<<: *a{n - 1}}}\n" for n in range(1, 1_500)),
    ],
    ids=["wide", "merged into itself", "inside itself", "mappings", "merged often", "merged deep"],
)
def test_a_file_cannot_grow_without_bound(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    # Its own takes seconds.
    monkeypatch.setattr("paychain.declaration.yaml_text.MAX_VALUES", 10_000)
    began = time.process_time()
    found = {mistake.what for mistake in parse(text).mistakes}
    assert time.process_time() - began < 5
    assert found <= {"too large", "nested too deeply"}
    assert found


def test_what_is_written_wrongly_hides_nothing_that_does_not_fit(tmp_path: Path) -> None:
    text = CHAIN.replace("timeout: 3s", "timeout: 3").replace("to: processor,", "to: procesor,")
    lines = mistakes(tmp_path, text.replace("provider: cloud\n", "provider: clod\n"))
    assert [line.partition("; ")[0].split(": ")[1] for line in lines] == [
        "unknown provider 'clod'",
        "unknown link 'procesor'",
        "'3' has no unit",
    ]


def test_a_link_with_a_mistake_is_not_unknown_to_its_callers(tmp_path: Path) -> None:
    lines = mistakes(tmp_path, CHAIN.replace("role: issuer", "role: isuer"))
    assert len(lines) == 1, lines


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    text = CHAIN.replace("timeout: 3s", "timeout: 3").replace("role: issuer", "role: isuer")
    assert len(mistakes(tmp_path, text)) == 2


def test_a_mistake_below_one_of_two_forms_is_reported_alone(tmp_path: Path) -> None:
    text = STEADY.replace('">= 99.9%"', '{during: "95%"}')
    assert experiment_mistakes(tmp_path, text) == ["4:31: '95%' is not a limit; write \">= 95%\""]


def test_a_limit_without_a_unit_is_reported_as_such(tmp_path: Path) -> None:
    text = STEADY.replace('technical_success: ">= 99.9%"', 'recovery: "<= 3"')
    assert experiment_mistakes(tmp_path, text) == ["4:13: '3' has no unit; write 3s or 3ms"]


def test_a_load_of_no_payments_is_a_mistake(tmp_path: Path) -> None:
    text = STEADY.replace("20/s", "0/s")
    message = ["2:18: the rate is 0 throughout; write a rate such as 40/s"]
    assert experiment_mistakes(tmp_path, text) == message


def test_a_chain_given_as_an_experiment_is_one_mistake(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(CHAIN)
    with pytest.raises(
        UserError, match="is a file of kind chain, not experiment; give the experiment"
    ):
        load_experiment(str(path))


@pytest.mark.parametrize("text", ["", "- a\n", "chain: [", "chain: !!python/name:os.system x"])
def test_what_is_no_chain_at_all_is_reported(tmp_path: Path, text: str) -> None:
    assert mistakes(tmp_path, text)


def test_a_file_over_a_megabyte_is_refused(tmp_path: Path) -> None:
    assert "larger than 1000 kB" in mistakes(tmp_path, "#" * 1_000_001)[0]


def test_a_value_that_is_the_whole_file_is_not_repeated(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, f"{CHAIN}deadline: {'9' * 100_000}\n")
    assert len(line) < 5_000
    assert "'9999" in line
    assert "999…' has no unit; write 9" in line


def test_an_unknown_name_suggests_a_known_one() -> None:
    with pytest.raises(UserError, match="did you mean 'card-ecommerce'"):
        load_chain("card-ecomerce")


def test_a_name_without_its_ending_suggests_the_file_beside_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text(CHAIN)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"no chain named 'mine'; did you mean 'mine\.yaml'"):
        load_chain("mine")
    with pytest.raises(UserError, match="is a folder; name one chain file in it"):
        load_chain(f"{tmp_path}/")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("mine.yml", "no such chain file: mine.yml; did you mean 'mine.yaml'?"),
        ("./other.yaml", "no such chain file: ./other.yaml; check the path"),
        ("https://example.com/a.yaml", "is a URL; download the file, and give its path"),
        ("steady", "steady is of kind experiment, not chain; give the chain here: the chain comes"),
        ("", "the name of the chain is empty; give a name or a file"),
    ],
)
def test_what_names_no_chain_is_told_for_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, said: str
) -> None:
    (tmp_path / "mine.yaml").write_text(CHAIN)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=re.escape(said)):
        load_chain(given)


def test_a_binary_file_and_a_second_document_are_mistakes(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_bytes(b"\x7fELF\x02\x00\xff")
    with pytest.raises(UserError, match=r"shop\.yaml:1:1: a binary file; give a YAML file"):
        load_chain(str(tmp_path / "shop.yaml"))
    number = CHAIN.count("\n") + 1
    assert mistakes(tmp_path, f"{CHAIN}---\nexperiment: x\n") == [
        f"{number}:1: a second YAML document begins here; "
        "write one chain or experiment in each file"
    ]


def test_a_users_file_is_found_by_its_name_whichever_way_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one.yaml", "two.yml", "three.yam", ".yaml", ".yml"):
        path = tmp_path / "chains" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("chain: mine\n")
    found = available("chain")
    assert {"one", "two"} <= set(found)
    assert found.keys().isdisjoint({"three", ""})


# What an experiment is about, where a card chain need not have it.
ABOUT = {"basis-theory-2025-11-18": "vault", "lying-nodes": "node-provider"}


@cache
def _faults_of(experiment: str) -> list[Fault]:
    return load_experiment(experiment).model.faults


def _has_place(fault: Fault, chain: Chain) -> bool:
    """Whether a chain has everything that a fault names."""
    links = chain.links.values()
    depended = {provider for link in links for provider in link.depends_on}
    calls = {f"{name}.{call}" for name in chain.links for call in chain.calls_of(name)}
    hops = {f"{hop.caller} -> {hop.callee}" for hop in chain.hops()}
    return all(
        (target.link is None or target.link in chain.links)
        and (target.role is None or target.role in {link.role for link in links})
        and (target.call is None or target.call in calls)
        and (target.hop is None or target.hop in hops)
        and (target.provider is None or target.provider in depended | _may_miss(fault, chain))
        for target in fault.every_target
    )


def _may_miss(fault: Fault, chain: Chain) -> set[str]:
    return set(chain.providers) if fault.may_miss else set()


# One test a chain: loading it again for every experiment would take most of the time.
@pytest.mark.parametrize("name", sorted(available("chain")))
def test_every_shipped_experiment_fits_every_shipped_chain(name: str) -> None:
    chain = load_chain(name).model
    for experiment, path in sorted(available("experiment").items()):
        if experiment in STANDARD:
            continue
        link = ABOUT.get(experiment)
        if link is not None and link not in chain.links:
            with pytest.raises(UserError, match=rf"unknown link '{link}'; map it to one of"):
                load_experiment(str(path), chain)
        # What happens to a ledger happens to no card, and the other way round.
        elif not all(_has_place(fault, chain) for fault in _faults_of(experiment)):
            with pytest.raises(UserError, match=r"unknown|no link|is no "):
                load_experiment(str(path), chain)
        elif name.startswith("toncoin") and experiment in ("finality-stalls", "deep-reorg"):
            with pytest.raises(UserError, match="finality comes with each block of ton"):
                load_experiment(str(path), chain)
        else:
            ids = [fault.id for fault in load_experiment(str(path), chain).model.faults]
            assert len(set(ids)) == len(ids), experiment


@pytest.mark.parametrize("kind", ["chain", "experiment"])
def test_every_shipped_file_is_valid_by_the_schema_that_editors_get(kind: str) -> None:
    model: type[Chain] | type[Experiment] = Chain if kind == "chain" else Experiment
    validator = jsonschema.Draft202012Validator(model.model_json_schema())
    for name, path in available(kind).items():
        wrong = [
            f"{name}: {error.message}"
            for error in validator.iter_errors(parse(path.read_text()).value)
        ]
        assert wrong == []


def test_a_written_share_is_exactly_that_share() -> None:
    limit = load_experiment("steady").model.tolerances.technical_success
    assert limit is not None
    assert getattr(limit, "bound", None) == 0.999
