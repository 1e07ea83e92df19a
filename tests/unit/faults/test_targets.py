"""Several targets of one fault, targets by role, faults that come back, and outages mapped."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from paychain.cli.main import app
from paychain.model.loading import FileMistakes, load_chain, load_experiment
from paychain.model.renaming import read_names
from paychain.payments.errors import UserError
from tests.support.chains import corner_shop, experiment, shop
from tests.support.runs import declare
from tests.support.virtual_runs import broken, phase, run_virtually

TWO_CLOUDS = {"cloud-a": {"kind": "cloud"}, "cloud-b": {"kind": "cloud"}}
OUTAGE = "{id: out, at: 0s, for: 2s, target: {provider: aws-us-east-1}, http_error: {}}"


def two_clouds() -> str:
    return corner_shop(
        answers_at_once=True,
        providers=TWO_CLOUDS,
        processor={"provider": "cloud-a"},
        issuer={"provider": "cloud-b"},
    )


def mistakes(folder: Path, *faults: str, names: tuple[str, ...] = ()) -> list[str]:
    """What is wrong with an experiment on the shop with two clouds, without the file's name."""
    declare(folder, shop=two_clouds(), tried=experiment(*faults))
    chain = load_chain(str(folder / "shop.yaml")).model
    with pytest.raises(FileMistakes) as found:
        load_experiment(str(folder / "tried.yaml"), chain, read_names(names))
    return [line.partition("tried.yaml:")[2] for line in found.value.lines]


@pytest.mark.parametrize(
    "where",
    [
        "target: {role: processor}",
        "targets: [{link: processor-a}, {link: processor-b}]",
        "targets: [{call: gateway.authorise}, {hop: gateway -> processor-b}]",
    ],
)
@pytest.mark.parametrize("kind", ["http_error: {status: 429}", "down: {}"])
def test_a_fault_acts_at_all_of_its_targets(tmp_path: Path, where: str, kind: str) -> None:
    # 2 s of 10/s fail at both processors; 1 s before and 1 s after them are sound.
    load = experiment(
        f"{{at: 0s, for: 2s, {where}, {kind}}}",
        arrivals="10/s",
        warm_up="0s",
        before="1s",
        after="1s",
    )
    result = run_virtually(tmp_path, shop(answers_at_once=True), load)
    assert phase(result, "during").technical_success == 0
    assert phase(result, "all").technical == 20
    assert result.faults[0].links == ["processor-a", "processor-b"]
    assert broken(result) == {}


def test_a_caller_is_not_taken_for_that_of_another_target(tmp_path: Path) -> None:
    # Authorisations of the gateway at processor-a, and whatever the processors send to the issuer
    # over processor-b: no payment takes the second way, because the first is refused.
    where = "targets: [{call: gateway.authorise}, {hop: processor-b -> issuer}]"
    load = experiment(
        f"{{at: 0s, for: 2s, {where}, decline: {{code: '91', share: 50%}}}}", arrivals="10/s"
    )
    result = run_virtually(tmp_path, shop(answers_at_once=True), load)
    # half of 20 at processor-a, and half of those once more at the issuer behind processor-b
    assert phase(result, "during").offered >= 8
    places = {(each.caller, each.callee) for each in result.breaks}
    assert places == {("processor-b", "issuer")}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("at: 0s, for: 1s, down: {}", "4:5: 'target' is missing; add target:"),
        (
            "at: 0s, for: 1s, target: {role: scheme}, down: {}",
            "no link has the role 'scheme'; the chain has: gateway, processor, issuer",
        ),
        (
            "at: 0s, for: 1s, target: {role: procesor}, down: {}",
            "unknown role 'procesor'; did you mean 'processor'?",
        ),
        (
            "at: 0s, for: 1s, target: {link: issuer, role: issuer}, down: {}",
            "a target names exactly one thing; give exactly one of link, role, call, hop, provider",
        ),
        (
            "at: 0s, for: 1s, target: {link: issuer}, targets: [{link: processor}], down: {}",
            "a fault has either a target or several targets; remove one of them",
        ),
        (
            "at: 0s, for: 1s, targets: [{link: issuer}, {link: isuer}], down: {}",
            "4:56: unknown link 'isuer'; did you mean 'issuer'?",
        ),
        (
            "at: 0s, for: 1s, every: 10s, target: {link: issuer}, down: {}",
            "the fault recurs endlessly; add times: such as 3",
        ),
        (
            "at: 0s, for: 1s, times: 3, target: {link: issuer}, down: {}",
            "times: is the number of occurrences of a fault with every:; add every: such as 10s",
        ),
        (
            "at: 0s, for: 3s, every: 2s, times: 3, target: {link: issuer}, down: {}",
            "the fault lasts 3 s and is back after 2 s; shorten for: or lengthen every:",
        ),
        (
            "at: 0s, for: 1s, every: 2s, times: 1, target: {link: issuer}, down: {}",
            "times: '1' is out of range; write at least 2",
        ),
        (
            "at: 0s, for: 1s, target: {provider: aws}, down: {}",
            "unknown provider 'aws'; map it to one of the chain's own: --map aws=NAME, where NAME "
            "is cloud-a, cloud-b, gateway, processor or issuer",
        ),
    ],
)
def test_a_mistake_in_where_and_when_has_its_place(
    tmp_path: Path, fault: str, message: str
) -> None:
    lines = mistakes(tmp_path, f"{{{fault}}}")
    assert any(message in line for line in lines), lines


def test_each_window_of_a_recurring_fault_is_a_fault_of_its_own(tmp_path: Path) -> None:
    load = experiment(
        "{id: maintenance, at: 0s, for: 1s, every: 4s, times: 3, target: {link: processor}, "
        "http_error: {status: 503}}",
        "{id: later, at: 9s, for: 500ms, target: {link: issuer}, slow_answer: {delay: 10ms}}",
        arrivals="10/s",
        warm_up="0s",
        before="2s",
        after="3s",
    )
    result = run_virtually(tmp_path, corner_shop(answers_at_once=True), load)
    planned = [(fault.id, fault.planned_s, fault.planned_heal_s) for fault in result.faults]
    assert planned == [
        ("maintenance-1", 2.0, 3.0),
        ("maintenance-2", 6.0, 7.0),
        ("maintenance-3", 10.0, 11.0),
        ("later", 11.0, 11.5),
    ]
    # 3 windows of 1 s at 10/s fail; the healthy time between two windows is no part of `during`
    assert phase(result, "all").unknown == 30
    assert phase(result, "between").technical_success == 1.0
    assert phase(result, "between").offered >= 50
    assert [fault.hits for fault in result.faults] == [10, 10, 10, 5]
    # 2 s before, 9.5 s of faults, 3 s after
    assert phase(result, "all").offered == 145


def test_an_outage_of_another_provider_is_mapped_to_the_chains_own(tmp_path: Path) -> None:
    declare(tmp_path, shop=two_clouds(), outage=experiment(OUTAGE))
    chain = load_chain(str(tmp_path / "shop.yaml")).model
    path = str(tmp_path / "outage.yaml")
    with pytest.raises(FileMistakes, match="--map aws-us-east-1=NAME"):
        load_experiment(path, chain)
    mapped = load_experiment(path, chain, {"aws-us-east-1": "cloud-b"}).model
    assert str(mapped.faults[0].target) == "provider cloud-b"
    # a chain whose providers are not declared maps the outage to a link
    linked = load_experiment(path, chain, {"aws-us-east-1": "issuer"}).model
    assert str(linked.faults[0].target) == "link issuer"
    with pytest.raises(UserError, match="names no provider or link 'aws'"):
        load_experiment(path, chain, {"aws": "cloud-b"})


@pytest.mark.parametrize(
    ("target", "mapped"),
    [
        ("link: acquirer", "link processor"),
        ("hop: shop->acquirer", "hop gateway -> processor"),
        ("call: shop.authorise", "call gateway.authorise"),
    ],
)
def test_links_are_mapped_wherever_a_target_names_them(
    tmp_path: Path, target: str, mapped: str
) -> None:
    fault = f"{{at: 0s, for: 1s, target: {{{target}}}, down: {{}}}}"
    declare(tmp_path, shop=two_clouds(), outage=experiment(fault))
    chain = load_chain(str(tmp_path / "shop.yaml")).model
    names = {"acquirer": "processor", "shop": "gateway"}
    used = {theirs: ours for theirs, ours in names.items() if theirs in target}
    loaded = load_experiment(str(tmp_path / "outage.yaml"), chain, used).model
    assert str(loaded.faults[0].target) == mapped


def test_two_providers_of_an_outage_may_be_one_of_the_chain(tmp_path: Path) -> None:
    fault = "{at: 0s, for: 1s, targets: [{provider: aws}, {provider: azure}], down: {}}"
    declare(tmp_path, shop=two_clouds(), outage=experiment(fault))
    chain = load_chain(str(tmp_path / "shop.yaml")).model
    names = {"aws": "cloud-b", "azure": "cloud-b"}
    loaded = load_experiment(str(tmp_path / "outage.yaml"), chain, names).model
    assert [str(target) for target in loaded.faults[0].targets] == ["provider cloud-b"]


def test_a_target_that_a_file_names_twice_is_a_mistake_under_any_map(tmp_path: Path) -> None:
    fault = "{at: 0s, for: 1s, targets: [{link: shop}, {link: shop}], down: {}}"
    found = mistakes(tmp_path, fault, names=("shop=issuer",))
    assert [line.partition(": ")[2] for line in found] == ["a target is named twice; keep one"]


def test_the_commands_map_names_and_the_run_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    declare(tmp_path, shop=two_clouds(), outage=experiment(OUTAGE))
    words = ["shop.yaml", "outage.yaml", "--map", "aws-us-east-1=cloud-b"]
    checked = CliRunner().invoke(app, ["check", *words])
    assert checked.exit_code == 0, checked.output
    ran = CliRunner().invoke(app, ["run", *words, "--virtual", "--exit-zero"])
    assert ran.exit_code == 0, ran.output
    assert "--map aws-us-east-1=cloud-b" in ran.output
    wrong = CliRunner().invoke(app, ["check", "shop.yaml", "outage.yaml"])
    assert wrong.exit_code == 2
    assert "--map aws-us-east-1=NAME, where NAME is cloud-a, cloud-b" in wrong.stderr


@pytest.mark.parametrize("written", ["aws", "aws=", "=cloud"])
def test_a_map_needs_two_names(written: str) -> None:
    with pytest.raises(UserError, match="maps nothing; write --map cloud-a=my-cloud"):
        read_names([written])
