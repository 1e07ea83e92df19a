"""Response codes of acquirers: known ones, and those that a chain declares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paychain.model.loading import FileMistakes, load_chain, load_experiment
from paychain.payments.journal import HopRecord
from tests.support.chains import as_yaml, corner_shop, experiment
from tests.support.runs import declare
from tests.support.virtual_links import paid
from tests.support.virtual_runs import amplification, phase, run_virtually

TECHNICAL = {"X9": {"class": "technical", "meaning": "upstream timed out"}}


def declining(code: str, **chain: Any) -> str:
    return corner_shop(
        answers_at_once=True, issuer={"declines": {"share": "100%", "code": code}}, **chain
    )


def mistakes(folder: Path, text: str) -> list[str]:
    declare(folder, shop=text)
    with pytest.raises(FileMistakes) as found:
        load_chain(str(folder / "shop.yaml"))
    return found.value.lines


@pytest.mark.parametrize(
    ("code", "own", "result"),
    [
        ("58", {}, "declined"),
        ("63", {}, "declined"),
        ("88", {}, "technical"),
        ("95", {}, "technical"),
        ("91", {}, "technical"),
        ("X9", TECHNICAL, "technical"),
        ("X9", {"X9": {"class": "business"}}, "declined"),
        # what the acquirer means comes before the table
        ("58", {"58": {"class": "technical"}}, "technical"),
        ("91", {"91": {"class": "business"}}, "declined"),
    ],
)
def test_the_class_of_a_code_is_the_same_for_every_link_and_the_customer(
    code: str, own: dict[str, Any], result: str
) -> None:
    links, reply = paid(declining(code, codes=own))
    assert (reply.result, reply.code) == (result, code)
    authorised = [hop for hop in links.of(HopRecord) if hop.operation == "authorise"]
    assert {hop.result for hop in authorised} == {result}
    assert links.broken() == {}


@pytest.mark.parametrize(
    ("own", "seen"),
    [
        # A technical answer of the screening is no refusal of the payment: the gateway fails.
        ({}, ("technical", "96")),
        ({"91": {"class": "business"}}, ("declined", "91")),
    ],
    ids=["as in the table", "business in this chain"],
)
def test_a_decline_in_place_of_an_answer_has_the_class_of_the_chain(
    own: dict[str, Any], seen: tuple[str, str]
) -> None:
    chain = {
        "chain": "screened",
        "codes": own,
        "entry": "gateway",
        "links": {
            "gateway": {
                "role": "gateway",
                "calls": {
                    "screen": {"to": "fraud", "timeout": "5ms", "fallback": [{"decline": "91"}]},
                    "authorise": {"to": "issuer", "timeout": "1s"},
                },
            },
            "fraud": {"role": "fraud", "answers_in": {"median": "1s", "p99": "1s"}},
            "issuer": {"role": "issuer"},
        },
    }
    _, reply = paid(as_yaml(chain))
    assert (str(reply.result), reply.code) == seen


@pytest.mark.parametrize(("number", "written"), [("5", "05"), ("8", "08"), ("7", "07")])
def test_a_code_that_lost_its_zero_is_to_be_written_with_it(
    tmp_path: Path, number: str, written: str
) -> None:
    text = declining("05").replace("code: '05'", f"code: {number}")
    assert f"code: {number}" in text
    (line,) = mistakes(tmp_path, text)
    assert f"unknown response code '{number}'; write \"{written}\" with quotes" in line


@pytest.mark.parametrize("model", ["keyed", "none"])
def test_a_technical_code_of_the_chains_own_is_tried_again(tmp_path: Path, model: str) -> None:
    text = declining(
        "X9",
        codes=TECHNICAL,
        authorise={"retry": {"attempts": 3, "backoff": "10ms", "on": ["technical"]}},
        processor={"idempotency": model},
    )
    result = run_virtually(tmp_path, text, experiment(arrivals="20/s", before="2s", after="0s"))
    assert phase(result, "all").technical_success == 0
    assert amplification(result) == 3.0


def test_a_fault_declines_with_a_code_of_the_chain(tmp_path: Path) -> None:
    fault = "{at: 0s, for: 2s, target: {link: issuer}, decline: {code: X9}}"
    load = experiment(fault, arrivals="20/s", before="1s", after="1s")
    text = corner_shop(answers_at_once=True, codes=TECHNICAL)
    result = run_virtually(tmp_path, text, load)
    assert phase(result, "during").technical_success == 0
    assert phase(result, "before").technical_success == 1


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("X9", "unknown response code 'X9'; declare it in the chain: codes: {\"X9\": {class: bus"),
        ("11", "11 is an approval (approved, VIP), not a decline; write the code of a decline"),
        ("00", "00 is an approval (approved), not a decline"),
    ],
)
def test_a_code_that_no_link_declines_with_is_a_mistake(
    tmp_path: Path, code: str, message: str
) -> None:
    (line,) = mistakes(tmp_path, declining(code))
    assert message in line
    in_retry = corner_shop(authorise={"retry": {"codes": [code]}})
    (line,) = mistakes(tmp_path, in_retry)
    assert message in line
    instead = corner_shop(authorise={"fallback": [{"decline": code}]})
    (line,) = mistakes(tmp_path, instead)
    assert message in line
    fault = f"{{at: 0s, for: 1s, target: {{link: issuer}}, decline: {{code: '{code}'}}}}"
    declare(tmp_path, shop=corner_shop(), tried=experiment(fault))
    chain = load_chain(str(tmp_path / "shop.yaml")).model
    with pytest.raises(FileMistakes) as found:
        load_experiment(str(tmp_path / "tried.yaml"), chain)
    assert message in found.value.lines[0]


def test_a_code_that_must_not_be_repeated_is_no_code_of_a_retry(tmp_path: Path) -> None:
    text = corner_shop(
        codes={"58": {"class": "business", "retry": "never"}},
        authorise={"retry": {"codes": ["58"]}},
    )
    (line,) = mistakes(tmp_path, text)
    assert "a card declined with 58 must never be tried again" in line


def test_a_code_has_a_class_that_exists(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, corner_shop(codes={"X9": {"class": "tecnical"}}))
    assert "unknown class 'tecnical'; did you mean 'technical'?" in line
    (line,) = mistakes(tmp_path, corner_shop(codes={"X9": {}}))
    assert "'class' is missing; add class:" in line
