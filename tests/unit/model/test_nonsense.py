"""Values that are written well and mean nothing, and mistakes that were explained wrongly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from paychain.declaration.schema import Declared
from paychain.model.chain import Chain
from paychain.model.loading import FileMistakes, load_chain, load_experiment
from paychain.model.sentence import sentence

CHAIN = """\
chain: shop
deadline: 20s
entry: gateway
links:
  gateway:
    role: gateway
    captures: {after: 1s}
    refunds: {share: 5%, after: 3s}
    calls:
      authorise: {to: psp, retry: {attempts: 2}, fallback: [{to: spare}]}
  psp: {role: processor, calls: {authorise: {to: issuer}}}
  spare: {role: processor, calls: {authorise: {to: issuer}}}
  issuer: {role: issuer, declines: {share: 3%}}
"""
OWN = """\
chain: shop
entry: shop
links:
  shop:
    role: gateway
    service: {command: shop}
    pays:
      request: {path: /orders, json: {order: "{order}"}}
      approved: {status: 200}
      declined: {status: 402}
    calls: {authorise: {to: stripe}}
  stripe: {role: processor, dialect: stripe, calls: {authorise: {to: issuer}}}
  issuer: {role: issuer}
"""
LEDGER = """\
chain: shop
currency: USDC
entry: payouts
links:
  payouts: {role: exchange, funding: 5000, calls: {transfer: {to: wallet}}}
  wallet: {role: wallet, calls: {transfer: {to: node}, read: {to: node}}}
  node: {role: node, calls: {transfer: {to: base}, read: {to: base}}}
  base: {role: ledger, blocks: {every: 2s}, final: {after: 4}}
"""
EXPERIMENT = """\
experiment: calm
load: {arrivals: 40/s, before: 5s, after: 12s}
faults: [{at: 0s, for: 10s, target: {link: psp}, down: {}}]
tolerances: {recovery: "<= 5s"}
"""


def lines_of(path: Path, text: str) -> list[str]:
    """The mistakes of a file, without its path; none where it is accepted."""
    path.write_text(text)
    try:
        load_chain(str(path)) if text.startswith("chain") else load_experiment(str(path))
    except FileMistakes as found:
        return [line.removeprefix(f"{path}:") for line in found.lines]
    return []


def edit(whole: str, old: str, new: str) -> str:
    assert old in whole
    return whole.replace(old, new, 1)


@pytest.mark.parametrize("whole", [CHAIN, OWN, LEDGER, EXPERIMENT])
def test_what_is_edited_below_has_no_mistake(tmp_path: Path, whole: str) -> None:
    assert lines_of(tmp_path / "file.yaml", whole) == []


@pytest.mark.parametrize(
    ("whole", "old", "new", "message"),
    [
        (
            CHAIN,
            "attempts: 2",
            "attempts: true",
            "10:46: 'true' is not a whole number; write one such as 3",
        ),
        (
            CHAIN,
            "attempts: 2",
            "on: []",
            "10:35: nothing is retried; write such as on: [refused], or remove retry:",
        ),
        (
            CHAIN,
            "retry: {attempts: 2}",
            "query: {attempts: 2}",
            "10:35: nothing is queried with on_unknown: give_up; "
            "write on_unknown: query, or remove query:",
        ),
        (
            CHAIN,
            "retry: {attempts: 2}",
            "min_time_left: 20s",
            "10:43: never is that much time left: the deadline is 20 s; shorten it",
        ),
        (
            CHAIN,
            "retry: {attempts: 2}",
            "prefer: [{to: spare, share: 0%}]",
            "10:56: share: '0%' is out of range; write more than 0%",
        ),
        (
            CHAIN,
            "retry: {attempts: 2}",
            "prefer: [{to: spare, cards: {schemes: [viza]}}]",
            "10:67: unknown scheme 'viza'; did you mean 'visa'?",
        ),
        (OWN, "402", "200", "10:17: an answer that is declined looks like one that is approved; "),
        (
            OWN,
            "approved: {status: 200}\n      declined: {status: 402}",
            "approved: {where: {a: x, b: y}}\n      declined: {where: {b: y, a: x}}",
            "10:17: an answer that is declined looks like one that is approved; ",
        ),
        (
            LEDGER,
            "5000",
            "0",
            "5:38: funding: '0' is out of range; write more than 0",
        ),
        (
            EXPERIMENT,
            "arrivals: 40/s",
            "arrivals: 40/s, twice: {share: 0%}",
            "2:39: share: '0%' is out of range; write more than 0%",
        ),
        (
            EXPERIMENT,
            "down: {}",
            "slice: {size: 0B}",
            "3:64: size: '0B' is out of range; write more than 0B",
        ),
        (
            EXPERIMENT,
            "down: {}",
            "latency: {delay: 0s}",
            "3:67: a delay of 0s affects nothing; write one such as 2s",
        ),
        (
            EXPERIMENT,
            "down: {}",
            "flapping: {period: 2s, duty: 100%, fault: {down: {}}}",
            "3:79: the fault is always on; write one such as 50%",
        ),
        (
            EXPERIMENT,
            "target: {link: psp}",
            "targets: [{link: psp}, {link: psp}]",
            "3:39: a target is named twice; keep one",
        ),
        (
            EXPERIMENT,
            "tolerances: {",
            "tolerances: {technical_success: {}, ",
            '4:33: no limit is given; write one such as ">= 99.9%"',
        ),
        (
            EXPERIMENT,
            "tolerances: {",
            "tolerances: {latency_p99: {during: }, ",
            '4:27: no limit is given; write one such as "<= 10s"',
        ),
        (
            EXPERIMENT,
            "down: {}",
            "gray: {requests: [true]}",
            "3:68: 'true' is not a whole number; write one such as 3",
        ),
        (
            EXPERIMENT,
            "tolerances:",
            "stop_when: technical_success > 20% for 10s\ntolerances:",
            "4:12: 'technical_success > 20% for 10s' would stop a run that goes well; "
            'write "technical_success <= 20% for 10s"',
        ),
        (
            EXPERIMENT,
            "tolerances:",
            "stop_when: double_charges < 1 for 10s\ntolerances:",
            "4:12: 'double_charges < 1 for 10s' would stop a run that goes well; "
            'write "double_charges >= 1 for 10s"',
        ),
        (
            EXPERIMENT,
            "tolerances:",
            "scripts: [{payments: {share: 0%}, steps: [{link: psp, gray: {}}]}]\ntolerances:",
            "4:30: share: '0%' is out of range; write more than 0%",
        ),
    ],
)
def test_what_would_do_nothing_is_a_mistake(
    tmp_path: Path, whole: str, old: str, new: str, message: str
) -> None:
    (line,) = lines_of(tmp_path / "file.yaml", edit(whole, old, new))
    assert line.startswith(message)


@pytest.mark.parametrize(
    ("whole", "old", "new", "message"),
    [
        (CHAIN, "share: 5%", "share: 190%", "8:22: '190%' is more than 100%; write at most 100%"),
        (
            CHAIN,
            "{after: 1s}",
            "{on: webhok}",
            "7:20: unknown on 'webhok'; did you mean 'webhook'?",
        ),
        (
            CHAIN,
            "[{to: spare}]",
            "[spare]",
            "10:61: a fallback must be a mapping; write {to: spare} for a link of that name",
        ),
        (CHAIN, "[{to: spare}]", "[skip]", "10:61: a fallback must be a mapping; write {skip: {}}"),
        (
            CHAIN,
            "deadline:",
            'accepts: [{finding: single_link, at: psp, because: ""}]\ndeadline:',
            "2:52: 'because' is empty; write because: \"…\"",
        ),
        (
            OWN,
            "command: shop",
            "app: shop",
            "6:20: app: 'shop' has the wrong form; "
            "write the module and the name in it, such as shop.app:app",
        ),
        (
            OWN,
            "dialect: stripe",
            "dialect: {adyen: {}, stripe: {}}",
            "12:38: two dialects: adyen, stripe; give one of them",
        ),
        (
            LEDGER,
            "final: {after: 4}",
            "final: at_onec",
            "8:52: 'at_onec' does not say when it is final; "
            "write at_once, {after: 4} or {until: 3s}",
        ),
        # The place of what a short form says is that of the value, not that of its key.
        (
            LEDGER,
            "5000",
            "5000.0000001",
            "5:38: '5000.0000001' has more decimal places than USDC allows; write 5000.000000",
        ),
        (
            CHAIN,
            "deadline:",
            "codes: {A-1: {class: business}}\ndeadline:",
            "2:9: name: 'A-1' has the wrong form; write one to four digits or letters, such as 05",
        ),
        (
            EXPERIMENT,
            "tolerances:",
            "processes: 0\ntolerances:",
            "4:12: processes: '0' is out of range; write at least 2",
        ),
        (
            EXPERIMENT,
            "tolerances:",
            "settles_within: 0s\ntolerances:",
            "4:17: settles_within: '0s' is out of range; write more than 0s",
        ),
        (
            EXPERIMENT,
            '"<= 5s"',
            "true",
            "4:24: 'true' is not a limit; write one such as \"<= 10s\"",
        ),
        *(
            (
                EXPERIMENT,
                "tolerances: {",
                f"tolerances: {{amplification: {written}, ",
                f"4:29: '{written}' is not a limit; write {hint}",
            )
            for written, hint in (
                ("true", 'one such as "<= 1.3"'),
                ("2", '"<= 2"'),
                ("1.3", '"<= 1.3"'),
            )
        ),
        (
            EXPERIMENT,
            "target: {link: psp}",
            "targets: [psp]",
            "3:39: an item of 'targets' must be a mapping, not 'psp'; "
            "its keys are: link, role, call, hop, provider",
        ),
        (
            EXPERIMENT,
            "target: {link: psp}",
            "role: processor",
            "3:29: 'role' is not allowed here; write target: {role: …}",
        ),
        (
            EXPERIMENT,
            "tolerances:",
            "scripts: [{payments: {every: 2000000}, steps: [{link: psp, gray: {}}]}]\ntolerances:",
            "4:30: every: '2000000' is out of range; write at most 1000000",
        ),
        (
            EXPERIMENT,
            "arrivals: 40/s",
            "arrivals: {replay: no.csv}",
            "2:27: cannot read no.csv: No such file or directory; "
            "a relative path begins at the experiment's folder",
        ),
    ],
)
def test_a_mistake_is_named_by_its_key_and_its_hint_can_be_followed(
    tmp_path: Path, whole: str, old: str, new: str, message: str
) -> None:
    (line,) = lines_of(tmp_path / "file.yaml", edit(whole, old, new))
    assert line.replace(f"{tmp_path}/", "") == message


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("link: psp, fault: {lost_answer: {}}", "write the fault itself as the key, such as down"),
        ("target: {link: psp}, lost_answer: {}", "did you mean 'link'?"),
    ],
)
def test_words_around_the_fault_of_a_step(tmp_path: Path, step: str, message: str) -> None:
    scripts = f"scripts: [{{payments: {{every: 2}}, steps: [{{{step}}}]}}]\ntolerances:"
    found = lines_of(tmp_path / "file.yaml", edit(EXPERIMENT, "tolerances:", scripts))
    assert message in found[0]


def test_the_hint_for_too_many_digits_is_never_nothing(tmp_path: Path) -> None:
    """0.001 EUR is no amount, and neither is 0.00."""
    path = tmp_path / "chain.yaml"
    fallback = "prefer: [{to: spare, amount: {from: 0.001}}]"
    (line,) = lines_of(path, edit(CHAIN, "retry: {attempts: 2}", fallback))
    assert line.endswith("write 0.01")


@pytest.mark.parametrize(
    ("whole", "old", "new", "what"),
    [
        # Without its service the shop looks like a mock, which would speak no dialect.
        (OWN, "command: shop", "commnd: shop", "unknown key 'commnd'"),
        # What is wrong is not missing.
        (CHAIN, "captures: {after: 1s}", "captures: 1s", "'captures' must be a mapping"),
        (
            EXPERIMENT,
            "for: 10s",
            "for: 10s, every: 15s, times: 0",
            "times: '0' is out of range; write at least 2",
        ),
    ],
)
def test_one_mistake_is_not_reported_as_two(
    tmp_path: Path, whole: str, old: str, new: str, what: str
) -> None:
    (line,) = lines_of(tmp_path / "file.yaml", edit(whole, old, new))
    assert what in line


def models(base: type[Declared] = Declared) -> Iterator[type[Declared]]:
    """Every part that a file may have."""
    for model in base.__subclasses__():
        yield model
        yield from models(model)


def forms(annotation: Any) -> Iterator[str]:
    """The forms that a field's text has to have."""
    pattern = getattr(annotation, "pattern", None)
    if isinstance(pattern, str):
        yield pattern
    for part in (*get_args(annotation), *getattr(annotation, "metadata", ())):
        yield from forms(part)


def test_the_hint_for_a_wrong_form_has_the_right_one() -> None:
    found = {
        (field.alias or name, form)
        for model in models()
        for name, field in model.model_fields.items()
        for part in (field, field.annotation)
        for form in forms(part)
    }
    assert {key for key, _ in found} >= {"chain", "currency", "app", "card", "time_scale"}
    for key, form in found:
        detail = {"type": "string_pattern_mismatch", "loc": (key,), "input": "A b!", "ctx": {}}
        _, hint, _ = sentence(detail, Chain, (key,))
        example = hint.partition("such as ")[2] or hint.partition(": ")[2]
        assert re.search(form, example), f"{key}: {hint}"
