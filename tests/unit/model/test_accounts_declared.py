"""What a chain of bank transfers may declare, and the mistakes that are named with their place."""

from __future__ import annotations

import pytest

from paychain.declaration.yaml_text import parse
from paychain.model.chain import Chain
from paychain.model.checks import check_chain, check_experiment
from paychain.model.experiment import Experiment

TRANSFERS = """\
chain: transfers
currency: EUR
entry: payer
links:
  payer: {role: bank, calls: {transfer: {to: csm, timeout: 9s, on_unknown: query}}}
  csm: {role: clearing, rail: sct-inst, calls: {transfer: {to: payee, on_unknown: reverse}}}
  payee: {role: bank}
"""
FRONT = (
    "entry: payer\nlinks:\n",
    "entry: app\nlinks:\n  app: {role: edge, calls: {forward: {to: payer, on_unknown: reverse}}}\n",
)


def declared(*edits: tuple[str, str]) -> Chain:
    text = TRANSFERS
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return Chain.model_validate(parse(text).value)


def problems(*edits: tuple[str, str]) -> list[str]:
    found = check_chain(declared(*edits))
    return [f"{'.'.join(map(str, each.path))}: {each.what}" for each in found]


def test_customers_pay_at_a_bank_that_makes_transfers() -> None:
    what = "payee makes no transfers, so nobody can pay there"
    assert problems(("entry: payer", "entry: payee")) == [f"links.payee: {what}"]
    front = (FRONT[0], FRONT[1].replace("to: payer, on_unknown: reverse", "to: payee"))
    assert problems(front) == [f"links.payee: {what}"]
    assert problems((FRONT[0], FRONT[1].replace(", on_unknown: reverse", ""))) == []


def test_a_transfer_goes_over_the_clearing_and_is_rejected_by_nobody_else() -> None:
    chain = declared()
    assert check_chain(chain) == []
    assert [hop.name for hop in chain.hops()] == [
        "customer.pay.payer",
        "payer.transfer.csm",
        "payer.query.csm",
        "csm.transfer.payee",
        "csm.void.payee",
    ]
    recalls = declared(
        ("payer: {role: bank", "payer: {role: bank, recalls: {share: 5%, after: 1s}")
    )
    new = {hop.name for hop in recalls.hops()} - {hop.name for hop in chain.hops()}
    assert new == {"payer.recall.csm", "csm.recall.payee"}
    assert chain.addressed == "SCT Inst"
    assert not chain.network


@pytest.mark.parametrize(
    ("edits", "where", "what"),
    [
        ([("rail: sct-inst, ", "")], "links.csm", "the role clearing needs 'rail'"),
        (
            [("currency: EUR", "currency: USD")],
            "links.csm.rail",
            "SCT Inst transfers EUR, and the chain has USD",
        ),
        (
            [("entry: payer", "entry: payee")],
            "links.payee",
            "payee makes no transfers, so nobody can pay there",
        ),
        (
            [("{to: csm,", "{to: payee,")],
            "links.payer.calls.transfer.to",
            "the role bank does not take the transfers of a bank",
        ),
        (
            [("{to: payee,", "{to: risk,"), ("  payee: {role: bank}", "  risk: {role: fraud}")],
            "links.csm.calls.transfer.to",
            "the role fraud does not take the transfers of a clearing",
        ),
        (
            [("on_unknown: query", "on_unknown: reverse")],
            "links.payer.calls.transfer.on_unknown",
            "a transfer cannot be reversed",
        ),
        (
            [("on_unknown: query", "on_unknown: resend")],
            "links.payer.calls.transfer.on_unknown",
            "a transfer that is sent again may be made after the time for it is over",
        ),
        *(
            (
                [("on_unknown: reverse", f"on_unknown: {kept}")],
                "links.csm.calls.transfer.on_unknown",
                f"csm rejects what has no answer, and {kept} leaves the credit with the payee",
            )
            for kept in ("query", "resend")
        ),
        (
            [("on_unknown: query", "on_unknown: query, fallback: [{decline: '91'}]")],
            "links.payer.calls.transfer.fallback",
            "nothing can stand for the clearing's or the payee's bank's word",
        ),
        (
            [
                ("{to: payee,", "{to: payee, fallback: [{to: other}],"),
                ("  payee:", "  other: {role: bank}\n  payee:"),
            ],
            "links.csm.calls.transfer",
            "a transfer that has another target as well could be made twice",
        ),
        (
            [("payee: {role: bank", "payee: {role: bank, holds: {spent: 5%}")],
            "links.payee.holds",
            "payee makes no transfers, so it holds no money",
        ),
        (
            [("payer: {role: bank", "payer: {role: bank, rejected_credits: kept")],
            "links.payer.rejected_credits",
            "no clearing passes transfers to payer",
        ),
        (
            [("payer: {role: bank", "payer: {role: bank, returns: {agrees: 5%}")],
            "links.payer.returns",
            "no clearing passes transfers to payer",
        ),
        (
            [("payee: {role: bank", "payee: {role: bank, recalls: {share: 5%, after: 1s}")],
            "links.payee.recalls",
            "payee makes no transfers, so it recalls none",
        ),
        (
            [("payer: {role: bank", "payer: {role: bank, holds: {late: dropped, spent: 5%}")],
            "links.payer.holds.spent",
            "nobody is debited for a late confirmation, whoever has spent the money",
        ),
        (
            [FRONT],
            "links.payer",
            "a link in front of payer reverses payments, and a transfer cannot be undone",
        ),
        (
            [
                (
                    "  payee:",
                    "  second: {role: clearing, rail: sct-inst, calls: {transfer: {to: payee}}}\n"
                    "  payee:",
                )
            ],
            "links.second",
            "the chain already has a clearing: csm",
        ),
        (
            [("  payee:", "  issuer: {role: issuer}\n  payee:")],
            "links.csm",
            "payments to accounts are made neither with cards nor over a ledger",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(
    edits: list[tuple[str, str]], where: str, what: str
) -> None:
    assert f"{where}: {what}" in problems(*edits)


@pytest.mark.parametrize(
    ("edit", "hint"),
    [
        (("on_unknown: query", "on_unknown: reverse"), "write query"),
        (("on_unknown: query", "on_unknown: resend"), "write query"),
        (("on_unknown: reverse", "on_unknown: query"), "write reverse"),
    ],
)
def test_the_hint_names_the_way_out_that_the_role_has(edit: tuple[str, str], hint: str) -> None:
    (found,) = check_chain(declared(edit))
    assert found.hint == hint


def test_the_review_reports_what_is_given_up() -> None:
    assert problems(("on_unknown: query", "on_unknown: give_up")) == []
    assert problems(("on_unknown: reverse", "on_unknown: give_up")) == []


def test_a_bank_of_payers_takes_no_transfers() -> None:
    found = problems(("{to: payee,", "{to: payer,"), ("  payee: {role: bank}\n", ""))
    assert found == ["links.csm: the calls form a cycle: payer → csm → payer"]


def test_a_bank_needs_a_clearing() -> None:
    text = "chain: a\nentry: payer\nlinks:\n  payer: {role: bank, calls: {transfer: {to: other}}}\n"
    chain = Chain.model_validate(parse(text + "  other: {role: bank}\n").value)
    found = [each.what for each in check_chain(chain)]
    assert "payer has no clearing to send or get transfers" in found
    assert "other has no clearing to send or get transfers" in found


DEEMED = (
    ("currency: EUR", "currency: INR"),
    ("rail: sct-inst", "rail: upi"),
    ("on_unknown: reverse", "on_unknown: query"),
)


def test_what_is_deemed_to_be_made_is_confirmed_over_the_clearing() -> None:
    chain = declared(*DEEMED)
    assert check_chain(chain) == []
    names = {hop.name for hop in chain.hops()}
    assert {"payer.confirm.csm", "csm.confirm.payee", "csm.query.payee"} <= names
    assert "csm.void.payee" not in names


@pytest.mark.parametrize(
    ("edit", "where", "what"),
    [
        *(
            (
                ("rail: upi", f"rail: upi, query_limits: {limits}"),
                "links.csm.query_limits.attempts",
                f"csm permits {number} queries of a transfer, and UPI 3",
            )
            for limits, number in (
                ("{first_after: 45s, attempts: 4}", "4"),
                ("{first_after: 45s}", "any number of"),
            )
        ),
        (
            ("payer: {role: bank", "payer: {role: bank, holds: {spent: 5%}"),
            "links.payer.holds",
            "UPI debits at once, and holds nothing",
        ),
        (
            ("payer: {role: bank", "payer: {role: bank, recalls: {share: 5%, after: 1s}"),
            "links.payer.recalls",
            "UPI has no recalls",
        ),
        (
            ("payee: {role: bank", "payee: {role: bank, deemed: {shown: paid}"),
            "links.payee.deemed",
            "payee makes no transfers, so none of its own is deemed to be made",
        ),
        (
            ("payer: {role: bank", "payer: {role: bank, double_credits: kept"),
            "links.payer.double_credits",
            "no clearing passes transfers to payer",
        ),
    ],
)
def test_a_mistake_on_a_rail_that_deems_is_named(
    edit: tuple[str, str], where: str, what: str
) -> None:
    assert f"{where}: {what}" in problems(*DEEMED, edit)


@pytest.mark.parametrize("kept", ["reverse", "resend"])
def test_what_is_deemed_to_be_made_is_neither_undone_nor_repeated(kept: str) -> None:
    what = f"csm deems what has no answer to be made, and {kept} would undo or repeat it"
    edits = (*DEEMED[:2], ("on_unknown: reverse", f"on_unknown: {kept}"))
    assert f"links.csm.calls.transfer.on_unknown: {what}" in problems(*edits)


def test_a_rail_that_rejects_deems_nothing() -> None:
    edit = ("payer: {role: bank", "payer: {role: bank, deemed: {shown: paid}")
    what = "SCT Inst rejects what has no answer, and deems nothing to be made"
    assert f"links.payer.deemed: {what}" in problems(edit)


@pytest.mark.parametrize(
    ("fault", "link", "what"),
    [
        ("deemed: {}", "payer", "payer has payers, and credits nobody"),
        ("late_credit: {after: 1s}", "csm", "csm is not a bank"),
        ("double_credit: {}", "payee", ""),
    ],
)
def test_only_a_payees_bank_credits_wrongly(fault: str, link: str, what: str) -> None:
    text = (
        "experiment: mine\nload: {arrivals: 5/s, before: 1s, after: 1s}\n"
        f"faults: [{{id: f, at: 0s, for: 1s, target: {{link: {link}}}, {fault}}}]\n"
    )
    experiment = Experiment.model_validate(parse(text).value)
    found = [each.what for each in check_experiment(experiment, declared(*DEEMED))]
    assert any(what in each for each in found) if what else found == []
