"""Mistakes in a user's files are told with their place, all at once."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from harness.matrix import standard_faults
from harness.model.chain import Chain
from harness.model.experiment import Experiment
from harness.model.loading import FileMistakes, available, load_chain, load_experiment
from harness.model.text import parse
from harness.payments.errors import UserError

STANDARD = {one.model.experiment for one in standard_faults()}  # they strike no link of their own
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
    ("old", "new", "told"),
    [
        ("to: processor,", "to: procesor,", "10:23: unknown link 'procesor'; did you mean 'proc"),
        ("timeout: 3s", "timeout: 3", "10:43: '3' has no unit; write 3s or 3ms"),
        ("timeout: 3s", "timeot: 3s", "10:34: unknown key 'timeot'; did you mean 'timeout'?"),
        ("provider: cloud\n", "provider: clod\n", "8:15: unknown provider 'clod'; did you mean"),
        ("role: gateway", "role: gatway", "7:11: unknown role 'gatway'; did you mean 'gateway'?"),
        ("{to: issuer, ", "{to: gateway, ", "the calls go round"),
        ("entry: edge", "entry: processor", "nothing reaches link 'edge'"),
        ("entry: edge\n", "entry: edge\nentry: edge\n", "3:1: 'entry' is given twice; keep one"),
        ("  edge:", "\tedge:", "5:1: a tab in the indentation; indent with spaces"),
        ("{kind: cloud}}", "{kind: cloud}",
         "4:1: not YAML: did not find expected ',' or '}'; close what line 3 opens, and put"),
        ("entry: edge", "entry: %edge", "2:8: not YAML: found character that cannot start any token"
         "; put the value in quotes"),
        ("entry: edge", "entry: 'edge", "; close the quotes of line 2"),
        ("  processor: {", " processor: {", "what belongs with line 1 begins in column 1"),
        ("    provider: cl", "     provider: cl", "keys of one thing begin in one column"),
        ("entry: edge", "title: a: b", "; text with a colon is in quotes"),
        ("entry: edge", "entry: [edge]", "2:8: 'entry' must be text; write entry: \"…\""),
        ("entry: edge", "entry: 1", "2:8: entry: 1 is a number here; put it in quotes: \"1\""),
        ("entry: edge", "currency: eur\nentry: edge", "three capital letters, such as EUR"),
        ("{to: issuer, timeout: 2s}", "issuer",
         "11:51: 'authorise' has keys of its own, not 'issuer'; one or more of: to, timeout"),
        ("timeout: 3s", "timeout: 0s", "10:43: timeout: '0s' is out of range; more than 0"),
        ("timeout: 3s", "attempts: 2", "10:34: 'attempts' does not belong here; it goes under "),
        ("to: processor, ", "split: {a: 1}, ",
         "'split' does not belong here; it goes under fallback"),
        ("timeout: 3s", "fallback: {to: b}", "'fallback' must be a list; write fallback: […], or"),
        ("timeout: 3s", "fallback: [{split: {issuer: 60%, processor: 40%}}]",
         "10:62: '60%' is not a whole number; write one such as 3"),
        ("{kind: cloud}}", "&a {kind: cloud}}", "3:20: anchors and aliases are not allowed"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_its_mend(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert old in CHAIN
    lines = mistakes(tmp_path, CHAIN.replace(old, new, 1))
    assert any(told in line for line in lines), lines


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = CHAIN.replace("timeout: 3s", "timeout: 3").replace("role: issuer", "role: isuer")
    assert len(mistakes(tmp_path, text)) == 2


def test_a_mistake_below_one_of_two_forms_is_told_alone(tmp_path: Path) -> None:
    text = STEADY.replace('">= 99.9%"', '{during: "95%"}')
    assert experiment_mistakes(tmp_path, text) == [
        "4:31: '95%' is not a limit; write one such as \">= 99.9%\""
    ]


def test_a_limit_without_a_unit_is_told_to_have_none(tmp_path: Path) -> None:
    text = STEADY.replace('technical_success: ">= 99.9%"', 'recovery: "<= 3"')
    assert experiment_mistakes(tmp_path, text) == ["4:13: '3' has no unit; write 3s or 3ms"]


def test_a_load_of_no_payments_is_a_mistake(tmp_path: Path) -> None:
    text = STEADY.replace("20/s", "0/s")
    told = ["2:18: no payment arrives; write a rate such as 40/s"]
    assert experiment_mistakes(tmp_path, text) == told


def test_a_chain_given_as_an_experiment_is_one_mistake(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(CHAIN)
    with pytest.raises(UserError, match="is of kind chain, not experiment; give the experiment"):
        load_experiment(str(path))


@pytest.mark.parametrize("text", ["", "- a\n", "chain: [", "chain: !!python/name:os.system x"])
def test_what_is_no_chain_at_all_is_told(tmp_path: Path, text: str) -> None:
    assert mistakes(tmp_path, text)


def test_a_file_over_a_megabyte_is_refused(tmp_path: Path) -> None:
    assert "larger than 1000 kB" in mistakes(tmp_path, "#" * 1_000_001)[0]


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


def test_a_users_file_is_found_by_its_name_whichever_way_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one.yaml", "two.yml", "three.yam"):
        path = tmp_path / "chains" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("chain: mine\n")
    found = available("chain")
    assert {"one", "two"} <= set(found)
    assert "three" not in found


@pytest.mark.parametrize("chain", sorted(available("chain")))
@pytest.mark.parametrize("experiment", sorted(available("experiment").keys() - STANDARD))
def test_every_shipped_experiment_fits_every_shipped_chain(chain: str, experiment: str) -> None:
    loaded = load_chain(chain)
    ids = [one.id for one in load_experiment(experiment, loaded.model).model.faults]
    assert len(set(ids)) == len(ids)


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
