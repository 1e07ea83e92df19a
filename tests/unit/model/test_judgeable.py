"""What an experiment declares and no run could show is a mistake before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.model.loading import load_experiment
from paychain.model.waits import settles_within, unsettled
from paychain.payments.errors import UserError
from tests.support.chains import checked, shop

HEAD = """\
experiment: short
load: {{arrivals: 40/s, before: 4s, after: {after}{load}}}
faults:
"""
FAULT = '  - {{at: {at}, for: {lasts}, target: {{link: issuer}}, decline: {{code: "91"{only}}}}}\n'


def mistakes(
    folder: Path,
    *,
    after: str = "20s",
    faults: tuple[tuple[str, str], ...] = (("0s", "8s"),),
    only: str = "",
    load: str = "",
    **tolerances: str,
) -> str:
    """What `check` says of an experiment; "" when it is right."""
    text = HEAD.format(after=after, load=load and f", {load}")
    for at, lasts in faults:
        text += FAULT.format(at=at, lasts=lasts, only=only and f", only: {only}")
    text += "tolerances:\n" if tolerances else "tolerances: {}\n"
    text += "".join(f'  {key}: "{tolerances[key]}"\n' for key in tolerances)
    path = folder / "short.yaml"
    path.write_text(text, "utf-8")
    try:
        load_experiment(str(path))
    except UserError as error:
        return str(error)
    return ""


def test_a_recovery_needs_ten_seconds_of_load_after_the_last_heal(tmp_path: Path) -> None:
    assert mistakes(tmp_path, after="10s", recovery="<= 5s") == ""
    found = mistakes(tmp_path, after="9s", recovery="<= 5s")
    assert "short.yaml:6:13: recovery can be seen only 10 s after the last heal" in found
    assert "write after: 10s" in found


def test_a_failover_needs_a_fault_of_five_seconds(tmp_path: Path) -> None:
    assert mistakes(tmp_path, faults=(("0s", "2s"), ("3s", "5s")), failover="<= 1s") == ""
    found = mistakes(tmp_path, faults=(("0s", "2s"), ("3s", "4s")), failover="<= 1s")
    assert "a failover can be seen only 5 s into a fault, and the longest one lasts 4.0 s" in found


def test_a_fail_back_needs_five_seconds_after_some_heal(tmp_path: Path) -> None:
    # 4 s until the next fault, but 20 s after that
    assert mistakes(tmp_path, faults=(("0s", "2s"), ("6s", "2s")), failback="<= 1s") == ""
    found = mistakes(tmp_path, after="3s", faults=(("0s", "2s"), ("6s", "2s")), failback="<= 1s")
    assert "the longest time without a fault is 4.0 s" in found


def test_a_fault_for_a_scheme_without_cards_is_a_mistake(tmp_path: Path) -> None:
    assert mistakes(tmp_path, only="{schemes: [visa]}") == ""
    found = mistakes(tmp_path, only="{schemes: [vista]}")
    assert "short.yaml:4" in found
    assert "unknown scheme of this load 'vista'; did you mean 'visa'?" in found
    assert "unknown scheme of this load 'jcb'" in mistakes(tmp_path, only="{schemes: [jcb]}")
    amex_only = mistakes(tmp_path, only="{schemes: [visa]}", load="schemes: {amex: 100%}")
    assert "unknown scheme of this load 'visa'" in amex_only


def test_a_fault_for_a_range_without_cards_is_a_mistake(tmp_path: Path) -> None:
    assert mistakes(tmp_path, only="{ranges: [4242]}") == ""
    assert "no card of this load is in these ranges" in mistakes(tmp_path, only="{ranges: [9]}")
    # 4242 is a visa card
    found = mistakes(tmp_path, only="{schemes: [amex], ranges: [4242]}")
    assert "no card of this load is in these ranges" in found


def test_a_fault_for_a_merchant_needs_that_merchant_in_the_load(tmp_path: Path) -> None:
    shops = "merchants: {books: 60%, shoes: 40%}"
    assert mistakes(tmp_path, only="{merchants: [books]}", load=shops) == ""
    found = mistakes(tmp_path, only="{merchants: [book]}", load=shops)
    assert "'book'; did you mean 'books'?" in found
    found = mistakes(tmp_path, only="{merchants: [nobody]}")
    assert "unknown merchant 'nobody': the load declares none" in found
    assert "write merchants: {nobody: 100%} under load:" in found


def test_what_an_experiment_says_of_the_time_to_settle_comes_before_the_chains(
    tmp_path: Path,
) -> None:
    chain = checked(shop(gateway={"captures": {"after": "2h"}}, settles_within="20s"))
    path = tmp_path / "short.yaml"
    load = "load: {arrivals: 40/s, before: 4s, after: 4s}\ntolerances: {}\n"
    path.write_text(f"experiment: short\n{load}", "utf-8")
    assert settles_within(chain, load_experiment(str(path)).model) == 20
    path.write_text(f"experiment: short\nsettles_within: 3h\n{load}", "utf-8")
    patient = load_experiment(str(path)).model
    assert settles_within(chain, patient) == 10_800
    assert unsettled(chain, patient) is None


@pytest.mark.parametrize(
    ("gateway", "declared", "waits"),
    [
        ({"captures": {"after": "2h"}}, {}, "captures of gateway come 7200 s after"),
        ({"captures": {"after": "2h"}}, {"settles_within": "3h"}, ""),
        ({"captures": {"after": "2s"}}, {}, ""),
        # 4 parts, 5 s each, and 1 s until the refund
        (
            {"captures": {"after": "5s", "parts": 4}, "refunds": {"share": "5%"}},
            {},
            "refunds of gateway come 21 s after",
        ),
    ],
)
def test_a_real_run_that_does_not_wait_for_a_declared_delay_is_pointed_out(
    tmp_path: Path, gateway: dict[str, object], declared: dict[str, object], waits: str
) -> None:
    chain = checked(shop(gateway=gateway, **declared))
    assert mistakes(tmp_path) == ""
    found = unsettled(chain, load_experiment(str(tmp_path / "short.yaml")).model)
    assert (found is not None) == bool(waits)
    if found is not None:
        assert found.what.startswith(waits)
        assert "settles_within" in found.hint
