"""Failure scripts as they are declared: one codec, located mistakes, plain words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paychain.declaration.quantity import duration_seconds, duration_text
from paychain.model.loading import FileMistakes, load_chain, load_experiment
from paychain.model.renaming import renamed
from paychain.model.script_words import script_words
from paychain.model.scripts import Chosen, Script, as_written, decode_script, encode_script
from tests.support.laws import examples

EXPERIMENT = """
experiment: scripted
load: {{arrivals: 10/s, before: 1s, after: 1s}}
scripts:
  - payments: {payments}
    steps:
      - {step}
tolerances: {{}}
"""
WHOLE: dict[str, Any] = {
    "id": "whole",
    "payments": {"amount": "92.30"},
    "steps": [
        {"link": "processor-a", "operation": "authorise", "lost_answer": {}},
        {"link": "processor-b", "request": 2, "http_error": {"status": 500, "after_work": "true"}},
        {"link": "processor-a", "stuck_pending": {}, "for": "1500ms"},
        {"link": "processor-a", "wrong_answer": {"says": "declined", "code": "51"}},
        {"webhook": "processor-a", "event": 2, "late": {"by": "3s"}},
        {"webhook": "processor-a", "twice": {}},
        {"customer": {"retry": {"after": "2s", "key": "new"}}},
        {"customer": {"leaves": {"after": "1s", "returns_after": "10ms"}}},
    ],
    "may_miss": True,
}


def test_a_script_reads_back_what_it_writes() -> None:
    script = Script.model_validate(WHOLE)
    assert decode_script(encode_script(script)) == script
    assert as_written(script)["steps"][2] == {
        "link": "processor-a",
        "stuck_pending": {},
        "for": "1500ms",
    }


@given(micros=st.integers(1, 10**10))
@examples(200)
def test_a_duration_reads_back_to_the_microsecond(micros: int) -> None:
    assert round(duration_seconds(duration_text(micros / 1e6)) * 1e6) == micros


def test_a_script_in_words() -> None:
    assert script_words(Script.model_validate(WHOLE)).split("; ") == [
        "the first authorise at processor-a: works, its answer is lost",
        "the second request at processor-b: answers HTTP 500 after the work is done",
        "the first request at processor-a: answers pending, works later, for 1500ms",
        "the first request at processor-a: works, reports something else (says declined, code 51)",
        "the second webhook of processor-a is 3 s late",
        "the first webhook of processor-a is sent twice",
        "the customer pays again after 2 s with a new key",
        "the customer leaves after 1 s and is back 10 ms later",
    ]


def mistakes(tmp_path: Path, step: str, payments: str = "{every: 5}") -> list[str]:
    path = tmp_path / "scripted.yaml"
    path.write_text(EXPERIMENT.format(step=step, payments=payments))
    try:
        load_experiment(str(path), load_chain("card-lifecycle").model)
    except FileMistakes as error:
        return [f"{line.what}; {line.hint}" for line in error.mistakes]
    return []


@pytest.mark.parametrize(
    ("step", "mistake"),
    [
        ("{link: nobody, lost_answer: {}}", "unknown link 'nobody'"),
        ("{link: processor-a, down: {}}", "down is not about one request"),
        ("{link: processor-a, crash: {}}", "crash is not about one request"),
        ("{link: processor-a}", "a step at a link needs what the request meets"),
        ("{link: processor-a, lost_answer: {}, decline: {}}", "two kinds: decline, lost_answer"),
        ("{link: processor-a, lost_answer: {first: 2}}", "first does not belong in a step"),
        ("{link: processor-a, lost_answer: {share: 5%}}", "share does not belong in a step"),
        ("{link: processor-a, operation: screen, lost_answer: {}}", "unknown operation 'screen'"),
        ("{link: processor-a, stuck_pending: {}}", "the step does not say how long"),
        ("{link: processor-a, lost_answer: {}, for: 2s}", "lost_answer is over with its request"),
        ("{link: processor-a, decline: {code: XX}}", "unknown response code 'XX'"),
        ("{lost_answer: {}}", "a step is for one thing, not for nothing"),
        ("{link: processor-a, webhook: processor-a, dropped: {}}", "a step is for one thing"),
        ("{webhook: scheme, dropped: {}}", "scheme sends no webhooks"),
        ("{webhook: processor-a}", "a step about a webhook says what happens to it"),
        ("{webhook: processor-a, during: {operation: captur}}", "unknown operation 'captur'"),
        ("{webhook: processor-a, lost_answer: {}}", "lost_answer is for a request at a link"),
        ("{link: processor-a, dropped: {}, lost_answer: {}}", "dropped is for a webhook"),
        ("{customer: {}}", "a step has exactly one customer action"),
        ("{customer: {retry: {after: 1h}}}", "the customer waits 10 s at most"),
    ],
)
def test_a_mistake_in_a_step_is_refused_with_what_is_wrong(
    step: str, mistake: str, tmp_path: Path
) -> None:
    found = mistakes(tmp_path, step)
    assert any(line.startswith(mistake) for line in found), found


@pytest.mark.parametrize(
    ("payments", "mistake"),
    [
        ("{}", "a script is for one kind of payments"),
        ("{every: 5, share: 5%}", "a script is for one kind of payments"),
        ("{amount: 1.234}", "1.234"),
        ("{card: '4242424242424242'}", "a file holds no whole card number"),
        ("{card: '4242 4242 4242 4242'}", "and last four digits: 424242-4242"),
        ("{card: '4242'}", "card: '4242' has the wrong form; write its first six"),
        ("{header: lost}", "header: 'lost' has the wrong form; write a name and a value"),
        ("{header: 'x-test: a, b'}", "has the wrong form"),
        ("{share: 0%}", "share: '0%' is out of range"),
        ("{card: 999999-9999}", "no customer of this load has it; use 222300-3222, "),
        ("{amount: 1000.00}", "this load has amounts of 1 to 900; use one of them; or add may_mi"),
    ],
)
def test_a_mistake_in_the_choice_of_payments_is_refused(
    payments: str, mistake: str, tmp_path: Path
) -> None:
    found = mistakes(tmp_path, "{link: processor-a, lost_answer: {}}", payments)
    assert any(mistake in line for line in found), found


@pytest.mark.parametrize(
    ("steps", "mistake"),
    [
        (
            "{link: issuer, lost_answer: {}}, {link: issuer, request: 1, lost_answer: {}}",
            "an earlier step has lost_answer for the same request",
        ),
        (
            "{webhook: processor-a, dropped: {}}, {webhook: processor-a, twice: {}}",
            "an earlier step is about the same webhook",
        ),
        ("{link: issuer, lost_answer: {}}, {link: issuer, request: 2, lost_answer: {}}", ""),
        ("{link: issuer, slow_answer: {delay: 1s}}, {link: issuer, lost_answer: {}}", ""),
        ("{webhook: processor-a, dropped: {}}, {webhook: processor-a, event: 2, twice: {}}", ""),
    ],
)
def test_nothing_happens_twice_to_a_request_or_a_webhook(
    steps: str, mistake: str, tmp_path: Path
) -> None:
    found = mistakes(tmp_path, steps.replace("}, {", "}\n      - {"))
    assert any(mistake in line for line in found) if mistake else not found, found


def test_a_whole_card_number_is_in_no_message(tmp_path: Path) -> None:
    step = "{link: processor-a, lost_answer: {}}"
    found = mistakes(tmp_path, step, "{card: '4242-4242-4242-4242'}")
    assert not any("4242-4242-4" in line or "42424242" in line for line in found), found


def test_a_header_picks_what_links_do_and_not_what_customers_do(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "{link: issuer, lost_answer: {}}", "{header: 'x-test: lost'}") == []
    (found,) = mistakes(tmp_path, "{customer: {presses_twice: {}}}", "{header: 'x-test: lost'}")
    assert found.startswith("a header is known at the provider, where the customer has paid")


def test_an_own_service_cannot_be_made_to_do_anything(tmp_path: Path) -> None:
    path = tmp_path / "scripted.yaml"
    step = "{link: shop, lost_answer: {}}"
    path.write_text(EXPERIMENT.format(step=step, payments="{every: 5}"))
    chain = load_chain("examples/shop-python/chain-naive.yaml").model
    with pytest.raises(FileMistakes, match=r"shop is an own service.*name the mock behind it"):
        load_experiment(str(path), chain)


def test_scripts_have_ids_by_their_place_and_chosen_ones_only_once(tmp_path: Path) -> None:
    path = tmp_path / "scripted.yaml"
    script = "  - {payments: {every: 2}, steps: [{link: issuer, lost_answer: {}}]}\n"
    head = "experiment: e\nload: {arrivals: 1/s, before: 1s, after: 1s}\ntolerances: {}\nscripts:\n"
    path.write_text(head + script * 2)
    loaded = load_experiment(str(path)).model
    assert [each.id for each in loaded.scripts] == ["script-1", "script-2"]
    assert loaded.scripts[1].step_ids() == ["script-2/1"]
    path.write_text(head + script.replace("{payments", "{id: a, payments") * 2)
    with pytest.raises(FileMistakes, match="duplicate script id 'a'"):
        load_experiment(str(path))


def test_names_of_another_chain_are_mapped_in_scripts(tmp_path: Path) -> None:
    path = tmp_path / "scripted.yaml"
    path.write_text(
        EXPERIMENT.format(step="{link: theirs, lost_answer: {}}", payments="{every: 5}")
    )
    experiment = load_experiment(str(path)).model
    mapped = renamed(experiment, {"theirs": "ours"}, None)
    assert mapped.scripts[0].steps[0].link == "ours"


def test_which_payments_follow_a_script() -> None:
    # Every third: the payments are numbered from 0, so these are 2, 5, 8.
    every = Chosen.model_validate({"every": "3"})
    assert [n for n in range(9) if every.picks_number(1, "s", n)] == [2, 5, 8]
    share = Chosen.model_validate({"share": "20%"})
    picked = sum(share.picks_number(1, "s", n) for n in range(2_000))
    assert 340 < picked < 460  # 400 expected, standard deviation 18
    amount = Chosen.model_validate({"amount": "92.30"})
    assert amount.picks_purchase(9_230, "", "EUR")
    assert not amount.picks_purchase(9_231, "", "EUR")
    card = Chosen.model_validate({"card": "424242-4242"})
    assert card.picks_purchase(1, "424242…4242", "EUR")
    assert not card.picks_purchase(1, "400005…5556", "EUR")


RETURNS = "{customer: {leaves: {after: 1s, returns_after: 1s}}}"


@pytest.mark.parametrize(
    ("steps", "mistake"),
    [
        (
            ["{customer: {leaves: {after: 1s}}}", "{customer: {retry: {after: 1s}}}"],
            "the customer has left before, after 1 s; shorten it, or let the customer leave later",
        ),
        ([RETURNS], "customers of edge have nowhere to look: it has no pays:; remove it"),
    ],
)
def test_what_a_customer_who_has_left_cannot_do_is_refused(
    steps: list[str], mistake: str, tmp_path: Path
) -> None:
    found = mistakes(tmp_path, "\n      - ".join(steps))
    assert any(line.startswith(mistake) for line in found), found


def test_a_customer_may_pay_again_before_leaving(tmp_path: Path) -> None:
    retry, leave = "{customer: {retry: {after: 1s}}}", "{customer: {leaves: {after: 1500ms}}}"
    assert not mistakes(tmp_path, f"{leave}\n      - {retry}")


@pytest.mark.parametrize("payments", ["{card: 999999-9999}", "{amount: 1000.00}"])
def test_a_script_for_tests_of_ones_own_may_be_for_any_payment(
    payments: str, tmp_path: Path
) -> None:
    path = tmp_path / "magic.yaml"
    step = "{link: processor-a, lost_answer: {}}"
    path.write_text(EXPERIMENT.format(step=step, payments=payments))
    chain = load_chain("card-lifecycle").model
    assert load_experiment(str(path), chain, has_load=False).model.scripts
    path.write_text(path.read_text().replace("    steps:", "    may_miss: true\n    steps:"))
    assert load_experiment(str(path), chain).model.scripts
