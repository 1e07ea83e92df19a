"""Every kind of review finding: found in a chain with that weakness, and gone by its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.files import available
from paychain.model.finding_kinds import KINDS
from paychain.model.loading import FileMistakes, Loaded, load_chain, load_experiment
from paychain.model.review import ReviewFinding, review, stale_accepts
from tests.support.chains import as_yaml
from tests.support.remedies import follow

# A chain in which the review finds nothing that costs money: every case below changes one thing.
SOUND = """\
chain: shop
currency: EUR
deadline: 20s
entry: gateway
links:
  gateway:
    role: gateway
    outbox: disk
    captures: {after: 1s}
    calls:
      authorise: {to: psp, timeout: 4s, on_unknown: reverse}
  psp:
    role: processor
    outbox: disk
    calls:
      authorise: {to: issuer, timeout: 2s, on_unknown: reverse}
  issuer: {role: issuer, expires_after: 1h}
"""
CALM = """\
experiment: calm
load: {arrivals: 40/s, before: 5s, after: 5s}
tolerances: {}
"""
AUTHORISE = "{to: psp, timeout: 4s, on_unknown: reverse}"
PSP = "  psp:\n    role: processor\n"
ISSUER = "issuer: {role: issuer, expires_after: 1h}"
STANDBY = (
    "  issuer: {",
    "  standby: {role: processor, outbox: disk, calls: {authorise: {to: issuer, timeout: 2s, "
    "on_unknown: reverse}}}\n  issuer: {",
)
FRONT = (
    "entry: gateway\nlinks:\n",
    "entry: front\nlinks:\n  front: {role: edge, calls: {forward: {to: gateway, timeout: 15s}}}\n",
)
SECOND = (
    "  psp:\n",
    "  second: {role: gateway, outbox: disk, calls: {authorise: {to: psp, timeout: 4s, "
    "on_unknown: reverse}}}\n  psp:\n",
)
BOTH = ("entry: gateway\n", "entry: [gateway, second]\n")
REFUNDS = ("captures: {after: 1s}", "captures: {after: 1s}\n    refunds: {share: 5%}")
DISPUTES = (
    ISSUER,
    "issuer: {role: issuer, expires_after: 1h, disputes: {share: 1%}}",
)
# Only an own service calls a provider's API.
OWN = (
    "    outbox: disk\n    captures: {after: 1s}\n",
    "    service: {command: shop}\n"
    "    pays: {request: {path: /orders, json: {order: '{order}'}}, approved: {status: 200}, "
    "declined: {status: 402}}\n",
)
PSP_AWAY = "faults: [{at: 0s, for: 10s, target: {link: psp}, down: {}}]"
BREAKER = "breaker: {window: 10s, minimum_calls: 20}"
Edit = tuple[str, str]
THIRD_PARTIES = {
    "captcha": "{role: service}",
    "flags": "{role: service}",
    "vault": "{role: vault}",
    "fraud": "{role: fraud}",
    "sanctions": "{role: fraud, screens: sanctions}",
}
# A chain of its own, for what only a ledger can show.
PAYOUTS = """\
chain: shop
currency: USDC
deadline: 20s
entry: payouts
links:
  payouts:
    role: exchange
    outbox: disk
    funding: {amount: 5000}
    calls: {transfer: {to: wallet, timeout: 12s, on_unknown: query}}
  wallet:
    role: wallet
    outbox: disk
    calls: {transfer: {to: node, timeout: 2s, on_unknown: resend}, read: {to: node, timeout: 2s}}
  node: {role: node, calls: {transfer: {to: base, timeout: 1s}, read: {to: base, timeout: 1s}}}
  base: {role: ledger, blocks: {every: 2s}, final: {after: 4}}
"""
# One of four lies, and whoever answers first is believed.
NODES = """\
providers: {cloud: {kind: cloud}}
nodes:
  count: 4
  zones: {cloud: 100%}
  liars: 25%
  ask: 3
  calls: {transfer: {to: base, timeout: 1s}, read: {to: base, timeout: 1s}}
"""


def of_payouts(old: str, new: str) -> list[Edit]:
    """The chain with a ledger, with one change."""
    return [(SOUND, edited(PAYOUTS, [(old, new)]))]


DEPOSITS = """\
chain: shop
currency: USDC
deadline: 20s
entry: customers
links:
  customers:
    role: depositor
    outbox: disk
    calls:
      transfer: {to: node, timeout: 2s, on_unknown: resend}
      read: {to: node, timeout: 2s}
      forward: {to: exchange, timeout: 9s}
  exchange:
    role: exchange
    outbox: disk
    funding: {amount: 5000}
    credits: {after: 4}
    calls:
      transfer: {to: wallet, timeout: 12s, on_unknown: query}
      read: {to: node, timeout: 2s}
      scan: {to: node, timeout: 2s}
  wallet:
    role: wallet
    outbox: disk
    calls: {transfer: {to: node, timeout: 2s, on_unknown: resend}, read: {to: node, timeout: 2s}}
  node: {role: node, calls: {transfer: {to: base}, read: {to: base}, scan: {to: base}}}
  base: {role: ledger, blocks: {every: 2s}, final: {after: 4}}
"""


def of_nodes(scan: str, **providers: str) -> list[Edit]:
    """The chain with deposits: how the exchange scans, and more nodes with their providers."""
    also = providers.pop("node", "")
    nodes = "".join(
        f"  {name}: {{<<: *node, provider: {provider}}}\n" for name, provider in providers.items()
    )
    known = "".join(f"  {each}: {{kind: cloud}}\n" for each in {*providers.values(), also} - {""})
    # A node that nobody asks is a mistake, and one that only customers ask is no remedy.
    asked = f"quorum: {{with: [{', '.join(providers)}], agree: 1}}"
    changed = [
        (
            "on_unknown: resend}, read: {to: node, timeout: 2s}}",
            f"on_unknown: resend}}, read: {{to: node, {asked}}}}}",
        ),
        ("scan: {to: node, timeout: 2s}", f"scan: {scan}"),
        ("entry: customers\n", f"providers:\n{known}entry: customers\n"),
        ("  node: {role: node", "  node: &node {role: node" + (also and f", provider: {also}")),
        ("  base: {role: ledger", f"{nodes}  base: {{role: ledger"),
    ]
    return [(SOUND, edited(DEPOSITS, changed))]


def of_template(asks: str, zones: str = "{x: 100%}") -> list[Edit]:
    """The chain with payouts over four nodes of a template."""
    nodes = f"""\
providers: {{x: {{kind: cloud}}, y: {{kind: cloud}}}}
nodes:
  count: 4
  zones: {zones}
  {asks}
  calls: {{transfer: {{to: base, timeout: 1s}}, read: {{to: base, timeout: 1s}}}}
"""
    text = PAYOUTS.replace("{to: node, timeout: 2s", "{to: nodes, timeout: 2s")
    changed = [("links:\n", f"{nodes}links:\n"), (PAYOUTS.splitlines()[-2] + "\n", "")]
    return [(SOUND, edited(text, changed))]


SALES = """\
chain: shop
currency: EUR
deadline: 20s
entry: onramp
links:
  onramp:
    role: gateway
    outbox: disk
    captures: {on: delivery}
    calls:
      authorise: {to: psp, timeout: 4s, on_unknown: reverse}
      transfer: {to: wallet, timeout: 12s, on_unknown: query}
  psp: {role: processor, outbox: disk, calls: {authorise: {to: issuer, on_unknown: reverse}}}
  issuer: {role: issuer}
  wallet:
    role: wallet
    outbox: disk
    calls: {transfer: {to: node, timeout: 2s, on_unknown: resend}, read: {to: node, timeout: 2s}}
  node: {role: node, calls: {transfer: {to: base}, read: {to: base}}}
  base: {role: ledger, asset: EURC, blocks: {every: 2s}, final: {after: 4}}
"""


TRANSFERS = """\
chain: transfers
currency: EUR
deadline: 12s
entry: payer
links:
  payer:
    role: bank
    outbox: disk
    holds: {ends_after: 10s}
    calls:
      transfer: {to: csm, timeout: 9s, on_unknown: query, query: {first_after: 1s, attempts: 1}}
  csm:
    role: clearing
    outbox: disk
    rail: sct-inst
    calls: {transfer: {to: payee, timeout: 7s, on_unknown: reverse}}
  payee: {role: bank, answers_in: {median: 1s, p99: 5s}}
"""


ON_UPI = [
    ("currency: EUR", "currency: INR"),
    ("    holds: {ends_after: 10s}\n", ""),
    ("query: {first_after: 1s, attempts: 1}", "query: {first_after: 45s, attempts: 3}"),
    ("rail: sct-inst", "rail: upi"),
    ("on_unknown: reverse", "on_unknown: query, query: {attempts: 1, timeout: 100ms}"),
]
SLOW_CLEARING = "rail: sct-inst\n    answers_in: {median: 1s, p99: 3s}"


def of_transfers(old: str, new: str) -> list[Edit]:
    return of_chain(TRANSFERS, old, new)


def of_chain(text: str, old: str, new: str) -> list[Edit]:
    """Another chain, with one change."""
    return [(SOUND, edited(text, [(old, new)]))]


def edited(text: str, edits: list[Edit]) -> str:
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} is not there exactly once"
        text = text.replace(old, new)
    return text


def authorise(text: str) -> Edit:
    """The gateway's call with other settings."""
    return (AUTHORISE, "{" + text + "}")


def asking(call: str) -> list[Edit]:
    """The gateway with one more call, and the third parties that it names."""
    links = [f"  {name}: {link}\n" for name, link in THIRD_PARTIES.items() if f"to: {name}" in call]
    before = "    calls:\n      authorise: {to: psp"
    return [
        (before, before.replace("authorise", f"{call}\n      authorise")),
        ("  issuer: {", f"{''.join(links)}  issuer: {{"),
    ]


def of_psp(line: str) -> Edit:
    """The processor with one more setting."""
    return (PSP, f"{PSP}    {line}\n")


# kind: what is declared (edits of SOUND, and of CALM where both files matter), at what it is found
CASES: list[tuple[str, str, list[Edit], list[Edit]]] = [
    (
        "signed_twice",
        "wallet",
        of_payouts("    role: wallet\n", "    role: wallet\n    nonces: each_try\n"),
        [],
    ),
    (
        "signed_twice",
        "wallet",
        of_payouts(
            "    role: wallet\n",
            "    role: wallet\n    replaces: {after: 1s, nonce: new}\n",
        ),
        [],
    ),
    (
        "reserved_late",
        "payouts",
        of_payouts("amount: 5000", "amount: 5000, reserves: when_final"),
        [],
    ),
    (
        "deposit_known_by_block",
        "exchange",
        of_chain(
            DEPOSITS,
            "credits: {after: 4}\n",
            "credits: {after: 4}\n    deposits_known_by: block\n",
        ),
        [],
    ),
    ("freed_early", "payouts", of_payouts("amount: 5000", "amount: 5000, frees: on_timeout"), []),
    (
        "freed_early",
        "exchange",
        of_chain(
            DEPOSITS,
            "credits: {after: 4}",
            "credits: {after: 4}\n    pauses: {head_older_than: 6s, begun: freed}",
        ),
        [],
    ),
    (
        "credited_early",
        "exchange",
        of_chain(DEPOSITS, "credits: {after: 4}", "credits: {after: 3}"),
        [],
    ),
    (
        "credited_early",
        "exchange",
        of_chain(
            DEPOSITS, "{after: 4}\n    calls", "[{up_to: 9, after: 1}, {after: 4}]\n    calls"
        ),
        [],
    ),
    (
        "stale_price",
        "onramp",
        [
            (
                SOUND,
                edited(
                    SALES,
                    [
                        (
                            "captures: {on: delivery}",
                            "captures: {on: delivery}\n    price: {max_age: 1s, checked: false}",
                        ),
                        ("    calls:\n", "    calls:\n      quote: {to: oracle, timeout: 1s}\n"),
                        ("  issuer: {", "  oracle: {role: oracle, prices: {of: 1}}\n  issuer: {"),
                    ],
                ),
            )
        ],
        [],
    ),
    (
        "split_quorum",
        "exchange.read",
        [
            (
                SOUND,
                edited(
                    DEPOSITS,
                    [
                        (
                            "read: {to: node, timeout: 2s}\n      scan",
                            "read: {to: node, timeout: 2s, quorum: {with: [other], agree: 1}}"
                            "\n      scan",
                        ),
                        (
                            "  base: {role: ledger",
                            "  other: {role: node, calls: {transfer: {to: base}, read: {to: base}}}"
                            "\n  base: {role: ledger",
                        ),
                    ],
                ),
            )
        ],
        [],
    ),
    (  # a third is there, and two of two would stop as soon as they differ
        "split_quorum",
        "exchange.read",
        [
            (
                SOUND,
                edited(
                    DEPOSITS,
                    [
                        (
                            "read: {to: node, timeout: 2s}\n      scan",
                            "read: {to: node, timeout: 2s, quorum: {with: [other], agree: 1}}"
                            "\n      scan",
                        ),
                        (
                            "read: {to: node, timeout: 2s}}\n  node",
                            "read: {to: third, timeout: 2s}}\n  node",
                        ),
                        (
                            "  base: {role: ledger",
                            "  other: {role: node, calls: &all {transfer: {to: base}, "
                            "read: {to: base}}}\n  third: {role: node, calls: *all}"
                            "\n  base: {role: ledger",
                        ),
                    ],
                ),
            )
        ],
        [],
    ),
    (
        "split_quorum",
        "exchange.read",
        of_chain(DEPOSITS, "node: {role: node, calls", "node: {role: node, lies: true, calls"),
        [],
    ),
    (  # two of five lie
        "split_quorum",
        "exchange.read",
        of_chain(
            DEPOSITS.replace(
                "  base: {role: ledger",
                "".join(f"  n{number}: *node\n" for number in (2, 3))
                + "".join(f"  n{number}: {{<<: *node, lies: true}}\n" for number in (4, 5))
                + "  base: {role: ledger",
            ).replace("  node: {role", "  node: &node {role"),
            "read: {to: node, timeout: 2s}\n      scan",
            "read: {to: node, timeout: 2s, quorum: {with: [n2, n3, n4, n5], agree: 2}}\n      scan",
        ),
        [],
    ),
    (
        "split_quorum",
        "wallet.read",
        [
            (
                SOUND,
                edited(
                    PAYOUTS.replace("{to: node, timeout: 2s", "{to: nodes, timeout: 2s"),
                    [
                        ("links:\n", f"{NODES}links:\n"),
                        (PAYOUTS.splitlines()[-2] + "\n", ""),
                    ],
                ),
            )
        ],
        [],
    ),
    # no other node is there; another; two others, one of which a fallback names
    ("one_node_believed", "exchange.scan", [(SOUND, DEPOSITS)], []),
    ("one_node_believed", "exchange.scan", of_nodes("{to: node, timeout: 2s}", a="x"), []),
    (
        "one_node_believed",
        "exchange.scan",
        of_nodes("{to: node, timeout: 2s, fallback: [{to: b}]}", a="x", b="y"),
        [],
    ),
    (  # a hedge asks a second one as well, and believes whichever answers
        "one_node_believed",
        "exchange.scan",
        of_nodes("{to: node, timeout: 2s, hedge: {after: 1s, to: a}}", a="x"),
        [],
    ),
    ("one_node_believed", "wallet.read", of_template("ask: 3"), []),
    ("one_node_believed", "wallet.read", of_template("ask: 1"), []),
    (
        "quorum_at_one_provider",
        "exchange.scan",
        of_nodes(
            "{to: a, timeout: 2s, quorum: {with: [b, c], agree: 2}}", a="x", b="x", c="y", d="z"
        ),
        [],
    ),
    (  # all that could be asked are at the same one
        "quorum_at_one_provider",
        "exchange.scan",
        of_nodes("{to: a, timeout: 2s, quorum: {with: [b], agree: 2}}", a="x", b="x", node="x"),
        [],
    ),
    ("quorum_at_one_provider", "wallet.read", of_template("ask: 3\n  agree: 2"), []),
    (
        "quorum_lost_with_provider",
        "exchange.scan",
        of_nodes("{to: a, timeout: 2s, quorum: {with: [b, c], agree: 3}}", a="x", b="y", c="z"),
        [],
    ),
    (  # two of four at one provider: a fifth has to be asked
        "quorum_lost_with_provider",
        "exchange.scan",
        of_nodes(
            "{to: a, timeout: 2s, quorum: {with: [b, c, d], agree: 3}}",
            a="x",
            b="x",
            c="y",
            d="z",
        ),
        [],
    ),
    (
        "quorum_lost_with_provider",
        "wallet.read",
        of_template("ask: 4\n  agree: 4", zones="{x: 50%, y: 50%}"),
        [],
    ),
    (
        "network_not_checked",
        "wallet",
        of_payouts("role: wallet\n", "role: wallet\n    checks_network: false\n"),
        [],
    ),
    (
        "receipt_not_checked",
        "wallet",
        of_payouts("role: wallet\n", "role: wallet\n    checks_receipt: false\n"),
        [],
    ),
    (
        "timeout_inversion",
        "payouts.transfer",
        of_payouts("{to: wallet, timeout: 12s", "{to: wallet, timeout: 9s"),
        [],
    ),
    ("deadline_too_short", "customer", of_payouts("{every: 2s}", "{every: 5s}"), []),
    (
        "late_answer_dropped",
        "payer",
        of_transfers("{ends_after: 10s}", "{ends_after: 10s, late: dropped}"),
        [],
    ),
    (
        "rejected_credit_kept",
        "payee",
        of_transfers("p99: 5s}", "p99: 5s}, rejected_credits: kept"),
        [],
    ),
    (
        "returned_again",
        "payee",
        [
            *of_transfers("p99: 5s}", "p99: 5s}, returns: {repeats: returned}"),
            (
                "holds: {ends_after: 10s}",
                "holds: {ends_after: 10s}\n    recalls: {share: 1%, after: 1s}",
            ),
        ],
        [],
    ),
    (
        "double_credit_kept",
        "payee",
        of_transfers("p99: 5s}", "p99: 5s}, double_credits: kept"),
        [],
    ),
    *(
        (
            kind,
            "payer",
            of_chain(
                edited(TRANSFERS, ON_UPI),
                "role: bank\n    outbox",
                f"role: bank\n    {key}\n    outbox",
            ),
            [],
        )
        for kind, key in (
            ("deemed_believed", "deemed: {shown: failed}"),
            ("deemed_believed", "deemed: {shown: paid}"),
            ("rail_limit_missed", "deemed: {confirmed_after: 2d}"),
        )
    ),
    *(
        (
            "rail_limit_missed",
            "csm",
            of_chain(
                edited(TRANSFERS, ON_UPI), "rail: upi", f"rail: upi\n    query_limits: {limits}"
            ),
            [],
        )
        for limits in ("{first_after: 30s, attempts: 3}", "{attempts: 2}")
    ),
    *(
        ("rail_limit_missed", subject, of_transfers(old, new), [])
        for subject, old, new in (
            ("csm.transfer", "timeout: 7s", "timeout: 7500ms"),
            ("csm.transfer", "timeout: 7s", "timeout: 4s"),
            ("payer.transfer", "timeout: 9s", "timeout: 9500ms"),
            ("payer", "ends_after: 10s", "ends_after: 8s"),
            (
                "payer",
                "holds: {ends_after: 10s}",
                "recalls: {share: 1%, after: 15d, reason: technical}",
            ),
            ("payer", "ends_after: 10s", "ends_after: 11s"),
            ("payee", "p99: 5s", "p99: 6s"),
        )
    ),
    *(
        ("timeout_inversion", "payer.transfer", of_transfers(old, new), [])
        for old, new in (
            ("timeout: 9s", "timeout: 5s"),
            # The rail permits the payer's bank no longer timeout: the clearing is to be quicker.
            ("timeout: 7s, ", "timeout: 7s, retry: {on: [timeout]}, "),
            ("timeout: 7s, ", "timeout: 7s, retry: {on: [refused, timeout]}, "),
            ("timeout: 7s, ", "timeout: 9s, "),
            ("rail: sct-inst", SLOW_CLEARING),
        )
    ),
    ("query_too_early", "payer.transfer", of_transfers("first_after: 1s, ", ""), []),
    (
        "query_too_early",
        "payer.transfer",
        of_transfers("first_after: 1s", "first_after: 500ms"),
        [],
    ),
    *(
        (
            kind,
            "gateway.authorise",
            [
                authorise(f"to: psp, timeout: 2s, on_unknown: query, query: {query}"),
                of_psp("query_limits: {first_after: 3s, attempts: 2}"),
            ],
            [],
        )
        for kind, query in (
            ("query_too_early", "{attempts: 2}"),
            ("query_too_early", "{first_after: 500ms, attempts: 2}"),
            ("query_too_often", "{first_after: 1s}"),
            ("query_too_often", "{first_after: 1s, within: 30s, pause: 1s}"),
            # Answers that say "in progress" come at once, so that only the pauses take time.
            ("query_too_often", "{first_after: 1s, within: 4s, pause: 1s}"),
        )
    ),
    ("unknown_left_open", "csm.transfer", of_transfers(", on_unknown: reverse", ""), []),
    (
        "unknown_left_open",
        "payer.transfer",
        of_transfers(", on_unknown: query, query: {first_after: 1s, attempts: 1}", ""),
        [],
    ),
    ("memory_outbox", "payer", of_transfers("role: bank\n    outbox: disk", "role: bank"), []),
    (
        "memory_outbox",
        "csm",
        of_transfers("role: clearing\n    outbox: disk", "role: clearing"),
        [],
    ),
    (
        "captured_before_transfer",
        "onramp",
        of_chain(SALES, "captures: {on: delivery}", "captures: {on: answer}"),
        [],
    ),
    (
        "captured_before_transfer",
        "onramp",
        of_chain(SALES, "captures: {on: delivery}", "captures: {after: 1s}"),
        [],
    ),
    (
        "memory_outbox",
        "onramp",
        of_chain(SALES, "role: gateway\n    outbox: disk\n", "role: gateway\n"),
        [],
    ),
    (
        "memory_outbox",
        "customers",
        of_chain(DEPOSITS, "role: depositor\n    outbox: disk\n", "role: depositor\n"),
        [],
    ),
    ("unknown_left_open", "wallet.transfer", of_payouts(", on_unknown: resend", ""), []),
    (
        "memory_outbox",
        "wallet",
        of_payouts("role: wallet\n    outbox: disk\n", "role: wallet\n"),
        [],
    ),
    (
        "memory_outbox",
        "payouts",
        of_payouts("role: exchange\n    outbox: disk\n", "role: exchange\n"),
        [],
    ),
    (
        "failover_on_unknown",
        "gateway.authorise",
        [authorise("to: psp, timeout: 4s, fallback: [{to: standby}]"), STANDBY],
        [],
    ),
    (
        "failover_on_unknown",
        "gateway.authorise",
        [authorise("to: psp, timeout: 4s, on_unknown: query, fallback: [{queue: {up_to: 9.00}}]")],
        [],
    ),
    *(
        (
            "failover_on_unknown",
            "payouts.transfer",
            [
                (
                    SOUND,
                    edited(
                        PAYOUTS,
                        [
                            ("on_unknown: query}", f"on_unknown: query, {goes_on}}}"),
                            (
                                "  node: {",
                                "  spare: {role: wallet, outbox: disk, calls: {"
                                "transfer: {to: node, timeout: 2s, on_unknown: resend}, "
                                "read: {to: node, timeout: 2s}}}\n  node: {",
                            ),
                        ],
                    ),
                )
            ],
            [],
        )
        for goes_on in (
            "fallback: [{to: spare}]",
            "prefer: [{to: spare, amount: {from: 50.00}}]",
        )
    ),
    (
        "failover_on_unknown",
        "front.forward",
        [FRONT, ("timeout: 15s}", "timeout: 15s, fallback: [{to: second}]}"), SECOND],
        [],
    ),
    (
        "failover_on_unknown",
        "front.forward",
        [FRONT, ("timeout: 15s}", "timeout: 15s, hedge: {after: 1s, to: second}}"), SECOND],
        [],
    ),
    (
        "failover_on_unknown",
        "front.forward",
        [
            FRONT,
            (
                "timeout: 15s}",
                "timeout: 15s, shares_keys: true, fallback: [{to: second}]}",
            ),
            (SECOND[0], SECOND[1].replace("to: psp", "to: standby")),
            STANDBY,
        ],
        [],
    ),
    (
        "customer_retry_without_key",
        "customer",
        [("entry: gateway", "customer: {retry: {after: 7s, key: new}}\nentry: gateway")],
        [],
    ),
    (
        "retry_without_key",
        "gateway.authorise",
        [
            authorise("to: psp, timeout: 4s, on_unknown: reverse, retry: {on: [reset]}"),
            of_psp("idempotency: none"),
        ],
        [],
    ),
    (
        "retry_without_key",
        "gateway.authorise",
        [authorise("to: psp, timeout: 4s, on_unknown: resend"), of_psp("idempotency: none")],
        [],
    ),
    (
        "retry_without_key",
        "gateway.authorise",
        [
            authorise("to: psp, timeout: 4s, on_unknown: reverse, retry: {on: [timeout]}"),
            of_psp("idempotency: {model: stripe-v1, window: 3s}"),
        ],
        [],
    ),
    (
        "retry_without_key",
        "front.forward",
        [
            FRONT,
            ("timeout: 15s}", "timeout: 15s, retry: {on: [timeout]}}"),
            ("    role: gateway\n", "    role: gateway\n    idempotency: none\n"),
        ],
        [],
    ),
    (
        "queue_without_key",
        "gateway.authorise",
        [
            authorise(
                "to: psp, timeout: 4s, on_unknown: reverse, fallback: [{queue: {up_to: 50.00}}]"
            ),
            of_psp("idempotency: none"),
        ],
        [],
    ),
    (
        "queue_without_key",
        "gateway.authorise",
        [
            authorise(
                "to: psp, timeout: 4s, on_unknown: reverse, fallback: [{queue: {up_to: 50.00}}]"
            ),
            of_psp("idempotency: checkout"),
        ],
        [],
    ),
    (
        "queue_without_key",
        "gateway.authorise",
        [
            authorise(
                "to: psp, timeout: 4s, on_unknown: reverse, "
                "fallback: [{queue: {up_to: 50.00, within: 60s}}]"
            ),
            of_psp("idempotency: {model: keyed, window: 10s}"),
        ],
        [],
    ),
    (
        "customer_retry_without_key",
        "gateway",
        [
            ("entry: gateway", "customer: {retry: {after: 7s}}\nentry: gateway"),
            ("    role: gateway\n", "    role: gateway\n    idempotency: none\n"),
        ],
        [],
    ),
    (
        "customer_retry_without_key",
        "gateway",
        [
            FRONT,
            ("entry: front", "customer: {retry: {after: 7s}}\nentry: front"),
            (
                "    role: gateway\n",
                "    role: gateway\n    idempotency: {model: keyed, window: 5s}\n",
            ),
        ],
        [],
    ),
    ("no_idempotency", "psp", [of_psp("idempotency: none")], []),
    ("no_idempotency", "issuer", [(ISSUER, "issuer: {role: issuer, idempotency: none}")], []),
    (
        "webhook_not_deduplicated",
        "gateway",
        [
            ("captures: {after: 1s}", "deduplicates: false\n    captures: {on: webhook}"),
            of_psp("webhooks: {to: gateway, give_up_after: 1h}"),
            of_psp("idempotency: none"),
        ],
        [],
    ),
    (  # a key that is forgotten before the webhook is given up
        "webhook_not_deduplicated",
        "gateway",
        [
            ("captures: {after: 1s}", "deduplicates: false\n    captures: {on: webhook}"),
            of_psp("webhooks: {to: gateway, give_up_after: 1h}"),
            of_psp("idempotency: {model: keyed, window: 10min}"),
        ],
        [],
    ),
    (  # or before its duplicate comes
        "webhook_not_deduplicated",
        "gateway",
        [
            ("captures: {after: 1s}", "deduplicates: false\n    captures: {on: webhook}"),
            of_psp(
                "webhooks: {to: gateway, give_up_after: 1min, duplicates: 5%, "
                "delay: {median: 20min, p99: 1h}}"
            ),
            of_psp("idempotency: {model: keyed, window: 10min}"),
        ],
        [],
    ),
    (
        "webhook_given_up_early",
        "psp",
        [
            ("captures: {after: 1s}", "captures: {on: webhook}"),
            of_psp("webhooks: {to: gateway, give_up_after: 5s}"),
        ],
        [],
    ),
    (  # the same trigger in the form of a list
        "webhook_given_up_early",
        "psp",
        [
            ("captures: {after: 1s}", "captures: {on: [webhook]}"),
            of_psp("webhooks: {to: gateway, give_up_after: 5s}"),
        ],
        [],
    ),
    (  # nobody waits for it to capture, and it is due all the same
        "webhook_given_up_early",
        "psp",
        [of_psp("webhooks: {to: gateway, give_up_after: 5s}")],
        [],
    ),
    (
        "webhook_not_sent",
        "standby",
        [
            ("captures: {after: 1s}", "captures: {after: 1s, 'on': webhook}"),
            of_psp("webhooks: {to: gateway}"),
            authorise("to: psp, timeout: 4s, on_unknown: reverse, fallback: [{to: standby}]"),
            STANDBY,
        ],
        [],
    ),
    # A bank cannot send webhooks.
    (
        "webhook_not_sent",
        "gift",
        [
            ("captures: {after: 1s}", "captures: {after: 1s, 'on': webhook}"),
            of_psp("webhooks: {to: gateway}"),
            authorise(
                "to: psp, timeout: 4s, on_unknown: reverse, compensates: true, "
                "tenders: [{to: gift, of: 20%}, {to: psp}]"
            ),
            ("  issuer: {", "  gift: {role: issuer, expires_after: 1h}\n  issuer: {"),
        ],
        [],
    ),
    (
        "webhook_refused",
        "psp",
        [of_psp("webhooks: {to: gateway, clock_skew: 6m}")],
        [],
    ),
    (
        "webhook_refused",
        "psp",
        [of_psp("webhooks: {to: gateway, bad_signatures: 100%}")],
        [],
    ),
    ("charge_back_not_reported", "psp", [REFUNDS, DISPUTES], []),
    # It reports to another gateway, and can report to one only.
    (
        "charge_back_not_reported",
        "psp",
        [REFUNDS, DISPUTES, SECOND, BOTH, of_psp("webhooks: {to: second}")],
        [],
    ),
    (
        "queue_given_up_early",
        "gateway.authorise",
        [
            authorise(
                "to: psp, timeout: 4s, on_unknown: reverse, "
                "fallback: [{queue: {up_to: 50.00, within: 2s}}]"
            )
        ],
        [],
    ),
    (  # long enough, but for this fault
        "queue_given_up_early",
        "gateway.authorise",
        [
            authorise(
                "to: psp, timeout: 4s, on_unknown: reverse, fallback: [{queue: {up_to: 50.00}}]"
            )
        ],
        [
            (
                "tolerances:",
                "faults: [{at: 0s, for: 90s, target: {link: psp}, down: {}}]\ntolerances:",
            )
        ],
    ),
    (  # longer than the usual validity of a card authorisation
        "hold_expires_early",
        "issuer",
        [
            ("captures: {after: 1s}", "captures: {after: 3d, parts: 3}"),
            (ISSUER, ISSUER.replace("1h", "7d")),
        ],
        [],
    ),
    (  # 1 of 40 payments a second are too few for the breaker of the link they prefer
        "breaker_cannot_open",
        "gateway.authorise",
        [
            STANDBY,
            authorise(
                "to: psp, timeout: 4s, on_unknown: reverse, prefer: [{to: standby, share: 2.5%}], "
                "breaker: {window: 10s, minimum_calls: 20}"
            ),
        ],
        [],
    ),
    (
        "captured_twice",
        "gateway",
        [
            ("captures: {after: 1s}", "captures: {on: [answer, webhook], key: new}"),
            of_psp("webhooks: {to: gateway, give_up_after: 1h}"),
        ],
        [],
    ),
    ("refunds_unchecked", "psp", [of_psp("checks_refunds: false")], []),
    (
        "capture_beyond_limit",
        "gateway",
        [("captures: {after: 1s}", "captures: {of: 120%}"), of_psp("overcapture: 15%")],
        [],
    ),
    ("capture_beyond_limit", "gateway", [("captures: {after: 1s}", "captures: {of: 101%}")], []),
    (
        "rest_not_released",
        "gateway",
        [("captures: {after: 1s}", "captures: {of: 60%, final: false}")],
        [],
    ),
    (
        "tenders_not_compensated",
        "gateway.authorise",
        [
            authorise("to: psp, timeout: 4s, on_unknown: reverse, tenders: [{to: gift, of: 20%}]"),
            ("  issuer: {", "  gift: {role: issuer}\n  issuer: {"),
        ],
        [],
    ),
    (
        "authentication_not_portable",
        "acs",
        [
            authorise("to: psp, timeout: 4s, on_unknown: reverse, fallback: [{to: standby}]"),
            STANDBY,
            (
                "      authorise: {to: psp",
                "      authenticate: {to: acs, timeout: 1s}\n      authorise: {to: psp",
            ),
            ("  issuer: {", "  acs: {role: authentication, valid_for: [psp]}\n  issuer: {"),
        ],
        [],
    ),
    ("hold_expires_early", "issuer", [("expires_after: 1h", "expires_after: 900ms")], []),
    (  # five blocks of 2 s until what was bought is final
        "hold_expires_early",
        "issuer",
        of_chain(SALES, "{role: issuer}", "{role: issuer, expires_after: 9s}"),
        [],
    ),
    (
        "hold_expires_early",
        "issuer",
        of_chain(SALES, "{role: issuer}", "{role: issuer, expires_after: 60s}"),
        [
            (
                "tolerances:",
                "faults: [{at: 0s, for: 90s, target: {role: ledger}, halt: {}}]\ntolerances:",
            )
        ],
    ),
    (
        "hold_expires_early",
        "psp",
        [of_psp("expires_after: 5s"), ("captures: {after: 1s}", "captures: {after: 2s, parts: 3}")],
        [],
    ),
    (
        "hold_expires_early",
        "issuer",
        [
            ("expires_after: 1h", "expires_after: 4s"),
            ("captures: {after: 1s}", "captures: {after: 1s, on: webhook}"),
            of_psp("webhooks: {to: gateway, delay: {median: 1s, p99: 4s}}"),
        ],
        [],
    ),
    ("memory_outbox", "gateway", [("    outbox: disk\n    captures", "    captures")], []),
    (
        "memory_outbox",
        "psp",
        [
            ("    outbox: disk\n    calls", "    calls"),
            ("    captures: {after: 1s}\n", ""),
            (
                "{to: issuer, timeout: 2s, on_unknown: reverse}",
                "{to: issuer, timeout: 2s, on_unknown: reverse, "
                "fallback: [{stand_in: {up_to: 50.00, most: 10}}]}",
            ),
        ],
        [],
    ),
    (
        "unlimited_fallback",
        "gateway.authorise",
        [authorise("to: psp, timeout: 4s, on_unknown: reverse, fallback: [{queue: {}}]")],
        [],
    ),
    (
        "unlimited_fallback",
        "psp.authorise",
        [
            (
                "{to: issuer, timeout: 2s, on_unknown: reverse}",
                "{to: issuer, timeout: 2s, on_unknown: reverse, "
                "fallback: [{stand_in: {up_to: 5000.00, most: 1000000}}]}",
            )
        ],
        [],
    ),
    (
        "reversal_behind_breaker",
        "gateway.authorise",
        [
            authorise(
                "to: psp, timeout: 4s, on_unknown: reverse, breaker: {}, "
                "reversal: {shares_breaker: true}"
            )
        ],
        [],
    ),
    (
        "reversal_given_up_early",
        "gateway.authorise",
        [authorise("to: psp, timeout: 4s, on_unknown: reverse, reversal: {give_up_after: 1s}")],
        [],
    ),
    (
        "reversal_given_up_early",
        "gateway.authorise",
        [
            authorise(
                "to: psp, timeout: 4s, on_unknown: reverse, "
                "reversal: {give_up_after: 60s, breaker: {open_for: 120s}}"
            )
        ],
        [],
    ),
    (
        "reversal_given_up_early",
        "gateway.authorise",
        [],
        [
            (
                "tolerances: {}",
                "faults: [{at: 0s, for: 10min, target: {link: psp}, down: {}}]\ntolerances: {}",
            )
        ],
    ),
    (
        "query_given_up_early",
        "gateway.authorise",
        [authorise("to: psp, timeout: 4s, on_unknown: query")],
        [("tolerances: {}", f"{PSP_AWAY}\ntolerances: {{}}")],
    ),
    (
        "query_given_up_early",
        "gateway.authorise",
        [authorise("to: psp, timeout: 4s, on_unknown: query, query: {attempts: 3, pause: 2s}")],
        [("tolerances: {}", f"{PSP_AWAY}\ntolerances: {{}}")],
    ),
    (
        "query_given_up_early",
        "gateway.authorise",
        [authorise("to: psp, timeout: 4s, on_unknown: query, query: {attempts: 1}")],
        [("tolerances: {}", f"{PSP_AWAY}\ntolerances: {{}}")],
    ),
    (
        "query_given_up_early",
        "gateway.authorise",
        [authorise("to: psp, timeout: 4s, on_unknown: query, query: {within: 5s, pause: 1s}")],
        [("tolerances: {}", f"{PSP_AWAY}\ntolerances: {{}}")],
    ),
    ("unknown_left_open", "gateway.authorise", [authorise("to: psp, timeout: 4s")], []),
    (
        "unknown_left_open",
        "gateway.authorise",
        [authorise("to: psp, timeout: 4s, on_unknown: give_up, fallback: [{decline: 91}]")],
        [],
    ),
    (
        "unknown_left_open",
        "psp.authorise",
        [
            authorise("to: psp, timeout: 4s, on_unknown: query"),
            ("{to: issuer, timeout: 2s, on_unknown: reverse}", "{to: issuer, timeout: 2s}"),
        ],
        [],
    ),
    (
        "query_not_offered",
        "gateway.authorise",
        [
            OWN,
            authorise("to: psp, claims: {timeout: 4s, on_unknown: query}"),
            of_psp("dialect: adyen"),
        ],
        [],
    ),
    (
        "dialect_not_declared",
        "psp",
        [OWN, authorise("to: psp, claims: {timeout: 4s, on_unknown: reverse}")],
        [],
    ),
    (
        "timeout_inversion",
        "gateway.authorise",
        [authorise("to: psp, timeout: 1s, on_unknown: reverse")],
        [],
    ),
    (
        "timeout_inversion",
        "front.forward",
        [FRONT, ("timeout: 15s", "timeout: 3s")],
        [],
    ),
    ("deadline_too_short", "customer", [("deadline: 20s", "deadline: 3s")], []),
    (
        "breaker_cannot_open",
        "gateway.authorise",
        [authorise(f"to: psp, timeout: 4s, on_unknown: reverse, {BREAKER}")],
        [("arrivals: 40/s", "arrivals: 1/s")],
    ),
    (
        "breaker_cannot_open",
        "gateway.authorise",
        [authorise(f"to: psp, timeout: 4s, on_unknown: reverse, {BREAKER}")],
        [("arrivals: 40/s", "users: 1, think_time: 5s")],
    ),
    (
        "fault_without_traffic",
        "down",
        [
            authorise("to: psp, timeout: 4s, on_unknown: reverse, fallback: [{to: standby}]"),
            STANDBY,
        ],
        [
            (
                "tolerances: {}",
                "faults: [{id: down, at: 0s, for: 5s, target: {link: standby}, down: {}}]\n"
                "tolerances: {}",
            )
        ],
    ),
    (
        "hedge_too_early",
        "gateway.authorise",
        [authorise("to: psp, timeout: 4s, on_unknown: reverse, hedge: {after: 2ms}")],
        [],
    ),
    (
        "amplified_retries",
        "psp",
        [authorise("to: psp, timeout: 4s, on_unknown: reverse, retry: {attempts: 5}")],
        [],
    ),
    (
        "retries_without_budget",
        "gateway.authorise",
        [
            authorise("to: psp, timeout: 4s, on_unknown: reverse, retry: {on: [rejected]}"),
            of_psp("capacity: {concurrency: 60}"),
        ],
        [],
    ),
    (
        "shared_pool",
        "processor-a.authorise",
        [
            (
                SOUND,
                available("chain")["card-pool-per-scheme"]
                .read_text()
                .replace("per: scheme", "per: target"),
            )
        ],
        [],
    ),
    (
        # the processor passes a refusal of the issuer on as a technical decline
        "retries_without_budget",
        "gateway.authorise",
        [
            authorise("to: psp, timeout: 4s, on_unknown: reverse, retry: {on: [technical]}"),
            (ISSUER, "issuer: {role: issuer, expires_after: 1h, capacity: {concurrency: 60}}"),
        ],
        [],
    ),
    *(
        (
            "checks_without_limit",
            "gateway.authorise",
            [
                authorise(f"to: psp, timeout: 2s, on_unknown: query, query: {checks}"),
                of_psp("capacity: {concurrency: 60}"),
            ],
            [],
        )
        for checks in ("{attempts: 4}", "{within: 20s, pause: 1s}")
    ),
    (
        "lookups_used_up",
        "gateway.serve",
        [
            *asking("serve: {to: flags, retry: {on: [timeout]}, fallback: [{skip: {}}]}"),
            ("  flags: {role: service", "  flags: {role: service, lookups: {bucket: 9}"),
        ],
        [],
    ),
    (
        "trace_used_twice",
        "gateway.authorise",
        [authorise("to: psp, timeout: 4s, on_unknown: reverse, trace: {with_time: false}")],
        [],
    ),
    (
        "captured_before_delivery",
        "gateway",
        [
            (
                "{to: issuer, timeout: 2s, on_unknown: reverse}",
                "{to: issuer, timeout: 2s, on_unknown: reverse, "
                "fallback: [{queue: {up_to: 9.00, within: 10s}}]}",
            )
        ],
        [],
    ),
    ("wrong_decimals", "psp", [of_psp("exponent: 0")], []),
    (
        "customer_retry_without_key",
        "gateway",
        [],
        [("after: 5s}", "after: 5s, twice: {share: 2%, key: new}}")],
    ),
    (
        "customer_retry_without_key",
        "gateway",
        [("    role: gateway\n", "    role: gateway\n    idempotency: none\n")],
        [("after: 5s}", "after: 5s, twice: {share: 2%, key: same}}")],
    ),
    *(
        (
            "third_party_in_the_way",
            at,
            asking(serve),
            [],
        )
        for at, serve in (
            ("gateway.serve", "serve: {to: captcha}"),
            ("gateway.serve-captcha", "serve: [{to: captcha, timeout: 1s}]"),
            ("gateway.serve-flags", "serve: [{to: flags, fallback: [{last_known: 60s}]}]"),
            ("gateway.serve-flags", "serve: [{to: flags, fallback: [{to: captcha}]}]"),
        )
    ),
    *(
        (
            "closed_call_skipped",
            at,
            asking(closed),
            [],
        )
        for at, closed in (
            ("gateway.tokenise", "tokenise: {to: vault, fallback: [{skip: {}}]}"),
            ("gateway.tokenise", "tokenise: {to: vault, fallback: [{skip: {up_to: 5.00}}]}"),
            ("gateway.screen", "screen: {to: sanctions, fallback: [{skip: {up_to: 5.00}}]}"),
            (
                "gateway.screen-sanctions",
                "screen: [{to: fraud, fallback: [{skip: {up_to: 5.00}}]}, "
                "{to: sanctions, fallback: [{skip: {}}]}]",
            ),
        )
    ),
    (
        "unlimited_fallback",
        "gateway.screen",
        asking("screen: {to: fraud, fallback: [{skip: {}}]}"),
        [],
    ),
    (
        "call_without_policy",
        "gateway.screen",
        [
            (
                "    calls:\n      authorise: {to: psp",
                "    calls:\n      screen: {to: fraud, timeout: 1s}\n      authorise: {to: psp",
            ),
            ("  issuer: {", "  fraud: {role: fraud}\n  issuer: {"),
        ],
        [],
    ),
    (
        "shared_provider",
        "gateway.authorise",
        [
            authorise("to: psp, timeout: 4s, on_unknown: reverse, fallback: [{to: standby}]"),
            STANDBY,
            ("standby: {", "standby: {provider: cloud, "),
            of_psp("provider: cloud"),
            ("entry:", "providers: {cloud: {kind: cloud}}\nentry:"),
        ],
        [],
    ),
    ("single_link", "psp", [], []),
    (
        "single_provider",
        "cloud",
        [of_psp("provider: cloud"), ("entry:", "providers: {cloud: {kind: cloud}}\nentry:")],
        [],
    ),
]


def reviewed(folder: Path) -> list[ReviewFinding]:
    return review(*loaded(folder))


def loaded(folder: Path) -> tuple[Loaded[Chain], Loaded[Experiment]]:
    chain = load_chain(str(folder / "shop.yaml"))
    return chain, load_experiment(str(folder / "calm.yaml"), chain.model)


def written(folder: Path, edits: list[Edit], calm: list[Edit] | None = None) -> Path:
    (folder / "shop.yaml").write_text(edited(SOUND, edits))
    (folder / "calm.yaml").write_text(edited(CALM, calm or []))
    return folder


def test_the_sound_chain_has_nothing_but_its_single_points(tmp_path: Path) -> None:
    findings = reviewed(written(tmp_path, []))
    assert {finding.kind for finding in findings} == {"single_link"}


@pytest.mark.parametrize(
    ("kind", "at", "edits", "calm"), CASES, ids=[f"{n}-{case[0]}" for n, case in enumerate(CASES)]
)
def test_a_finding_is_found_and_its_remedy_makes_it_go_away(
    tmp_path: Path, kind: str, at: str, edits: list[Edit], calm: list[Edit]
) -> None:
    folder = written(tmp_path, edits, calm)
    (finding,) = (each for each in reviewed(folder) if (each.kind, each.at) == (kind, at))
    assert finding.remedy is not None
    assert Path(finding.remedy.file).parent == folder
    follow(finding.remedy, Path(finding.remedy.file))
    after = [each for each in reviewed(folder) if (each.kind, each.at) == (kind, at)]
    assert [each for each in after if each.is_open] == [], after


def test_a_capture_that_is_recognised_by_its_key_is_not_made_again(tmp_path: Path) -> None:
    edits = [
        ("captures: {after: 1s}", "deduplicates: false\n    captures: {on: webhook}"),
        of_psp("webhooks: {to: gateway, give_up_after: 1h}"),
        (ISSUER, "issuer: {role: issuer, idempotency: none}"),  # behind a link that passes none on
    ]
    kinds = {finding.kind for finding in reviewed(written(tmp_path, edits))}
    assert "webhook_not_deduplicated" not in kinds


@pytest.mark.parametrize(
    "edits",
    [
        [("timeout: 7s, ", "timeout: 7s, retry: {on: [refused, reset, timeout]}, ")],
        [("timeout: 7s, ", "timeout: 12s, retry: {attempts: 4, on: [timeout]}, ")],
        [("timeout: 9s", "timeout: 3s"), ("timeout: 7s, ", "timeout: 2s, ")],
        [("timeout: 9s", "timeout: 29s"), ("rail: sct-inst", SLOW_CLEARING)],
        [("rail: sct-inst", SLOW_CLEARING.replace("3s", "5s"))],  # slower than any rail permits
        [("p99: 5s", "p99: 6s")],
        [("p99: 5s", "p99: 8s")],
        [("p99: 5s", "p99: 8s"), ("timeout: 7s, ", "timeout: 3s, ")],
        [("p99: 5s", "p99: 12s")],
        [("median: 1s, p99: 5s", "median: 6s, p99: 8s")],  # no p99 of it is within the limit
    ],
    ids=lambda edits: "-".join(new for _, new in edits),
)
@pytest.mark.parametrize("next_one", [0, -1], ids=["first", "last"])
def test_remedies_of_times_do_not_undo_each_other(
    tmp_path: Path, edits: list[Edit], next_one: int
) -> None:
    folder = written(tmp_path, [(SOUND, edited(TRANSFERS, edits))])
    kinds = ("rail_limit_missed", "timeout_inversion")
    followed: list[str] = []
    while found := [each for each in reviewed(folder) if each.is_open and each.kind in kinds]:
        remedy = found[next_one].remedy
        assert remedy is not None
        # Several findings may be accepted, each once.
        changed = remedy.key if remedy.action != "add" else f"{remedy.key} {remedy.value}"
        assert changed not in followed, [*followed, changed]
        followed.append(changed)
        follow(remedy, Path(remedy.file))
    assert followed


def test_a_payers_bank_answers_when_its_hold_ends(tmp_path: Path) -> None:
    front = (
        "entry: payer\nlinks:\n",
        "entry: app\nlinks:\n  app: {role: edge, forwards_to: payer}\n",
    )
    asks_on = ("{first_after: 1s, attempts: 1}", "{first_after: 1s, within: 1h, pause: 1m}")
    sound = edited(TRANSFERS, [front, asks_on])
    for text, is_late in (
        (sound, False),
        (edited(sound, [("deadline: 12s", "deadline: 8s")]), True),
    ):
        kinds = {finding.kind for finding in reviewed(written(tmp_path, [(SOUND, text)]))}
        assert ("deadline_too_short" in kinds) == is_late
        assert ("timeout_inversion" in kinds) == is_late


def test_every_kind_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(KINDS)


def test_a_remedy_names_the_line_the_key_and_the_value(tmp_path: Path) -> None:
    folder = written(tmp_path, [("on_unknown: reverse}\n  psp", "on_unknown: give_up}\n  psp")])
    finding = next(each for each in reviewed(folder) if each.kind == "unknown_left_open")
    assert str(finding.remedy) == (
        f"{folder}/shop.yaml:11: set links.gateway.calls.authorise.on_unknown: reverse"
    )


def test_what_costs_most_comes_first(tmp_path: Path) -> None:
    edits = [authorise("to: psp, timeout: 1s"), of_psp("idempotency: none")]
    kinds = [finding.kind for finding in reviewed(written(tmp_path, edits))]
    assert kinds[:3] == ["no_idempotency", "unknown_left_open", "timeout_inversion"]
    costs = [KINDS[kind].costs for kind in kinds]
    assert costs == sorted(costs, key=["money", "orphaned", "availability"].index)


def test_a_breaker_that_cannot_open_is_said_with_both_rates(tmp_path: Path) -> None:
    call = authorise(f"to: psp, timeout: 4s, on_unknown: reverse, {BREAKER}")
    slow = ("arrivals: 40/s", "arrivals: 1/s")
    findings = reviewed(written(tmp_path, [call], [slow]))
    (finding,) = (each for each in findings if each.kind == "breaker_cannot_open")
    assert "cannot open: 20 calls in 10 s need 2/s, there is 1/s" in finding.what
    # 1 payment a second, but each may be tried three times: 30 calls in 10 s
    retried = authorise(
        f"to: psp, timeout: 4s, on_unknown: reverse, retry: {{attempts: 3}}, {BREAKER}"
    )
    findings = reviewed(written(tmp_path, [retried], [slow]))
    assert "breaker_cannot_open" not in {each.kind for each in findings}


PREFERS = authorise(
    "to: psp, timeout: 4s, on_unknown: reverse, prefer: [{to: standby, share: 80%}], "
    f"{BREAKER}, fallback: [{{to: standby}}]"
)
TWICE = authorise(
    "to: psp, timeout: 4s, on_unknown: reverse, prefer: [{to: standby, share: 10%}, "
    f"{{to: standby, share: 70%}}], {BREAKER}"
)
STANDBY_AWAY = PSP_AWAY.replace("psp", "standby")
BANK_AWAY = PSP_AWAY.replace("psp", "issuer")
OF_ITS_OWN = authorise(f"to: psp, timeout: 4s, on_unknown: reverse, {BREAKER}")
PRESSED = "scripts: [{payments: {every: 20}, steps: [{customer: {presses_twice: {key: new}}}]}]"
AGAIN = ("entry: gateway", "entry: gateway\ncustomer: {retry: {after: 7s, key: new}}")


@pytest.mark.parametrize(
    ("edits", "load", "faults", "what"),
    [
        # 20 payments, one every 526 ms, are there within 10 s
        ([OF_ITS_OWN], "arrivals: 1.9/s", PSP_AWAY, ""),
        ([OF_ITS_OWN], "arrivals: 1.8/s", PSP_AWAY, "hardly ever opens: 20 calls in 10 s need 2/s"),
        # nor are there as many when those that time out, 4 s late, end beside quick ones
        ([OF_ITS_OWN], "arrivals: 1.3/s", PSP_AWAY, "cannot open: 20 calls in 10 s need 2/s"),
        # how many payments there are is not known
        ([OF_ITS_OWN], "arrivals: 1.3/s, twice: {share: 100%}", PSP_AWAY, ""),
        ([OF_ITS_OWN], "arrivals: {replay: few.csv}", PSP_AWAY, "cannot open: 20 calls in 10 s"),
        ([OF_ITS_OWN], "arrivals: {replay: few.csv}, twice: {share: 100%}", PSP_AWAY, ""),
        ([OF_ITS_OWN], "arrivals: 1.3/s", f"{PSP_AWAY}\n{PRESSED}", ""),
        ([OF_ITS_OWN, AGAIN], "arrivals: 1.3/s", PSP_AWAY, ""),
        # at random, one window in five has as many
        ([OF_ITS_OWN], "arrivals: 1.6/s, spacing: poisson", PSP_AWAY, ""),
        ([OF_ITS_OWN], "arrivals: 1/s, spacing: poisson", PSP_AWAY, "hardly ever opens: 20 calls"),
        # what another link is preferred for does not come, unless that link fails
        ([STANDBY, PREFERS], "arrivals: 5/s", PSP_AWAY, "opens for psp: 20 calls in 10 s need 2/s"),
        ([STANDBY, PREFERS], "arrivals: 15/s", PSP_AWAY, ""),
        # of 90 payments in a window a fifth is drawn: often 20, also where they come as recorded
        ([STANDBY, PREFERS], "arrivals: {replay: many.csv}", PSP_AWAY, ""),
        ([STANDBY, PREFERS], "users: 15, think_time: 2s", PSP_AWAY, ""),
        # 20 of 50 are rare, 20 of 15 are never there
        (
            [STANDBY, PREFERS],
            "users: 10, think_time: 2500ms",
            PSP_AWAY,
            "hardly ever opens for psp",
        ),
        ([STANDBY, PREFERS], "users: 5, think_time: 5s", PSP_AWAY, "cannot open: 20 calls"),
        # of 5/s, 10 % and 70 % go elsewhere: 1/s is left, not 1.35/s
        ([STANDBY, TWICE], "arrivals: 5/s", PSP_AWAY, "there is 1/s"),
        ([STANDBY, PREFERS], "arrivals: 5/s", STANDBY_AWAY, ""),
        ([STANDBY, PREFERS], "arrivals: 5/s", BANK_AWAY, ""),
        # a gateway has no calls for the payments of another entry
        ([OF_ITS_OWN, SECOND, BOTH], "entries: {gateway: 1/s, second: 9/s}", PSP_AWAY, "is 1/s"),
        ([OF_ITS_OWN, SECOND, BOTH], "entries: {gateway: 9/s, second: 1/s}", PSP_AWAY, ""),
        ([OF_ITS_OWN, SECOND, BOTH], "arrivals: 2/s", PSP_AWAY, "opens: 20 calls in 10 s need 2/s"),
    ],
)
def test_a_breaker_is_judged_by_the_calls_that_it_can_have(
    tmp_path: Path, edits: list[Edit], load: str, faults: str, what: str
) -> None:
    (tmp_path / "few.csv").write_text(
        "at_s,amount\n" + "".join(f"{at},10.00\n" for at in range(10))
    )
    (tmp_path / "many.csv").write_text(
        "at_s,amount\n" + "".join(f"{number / 9},10.00\n" for number in range(90))
    )
    calm = [("arrivals: 40/s", load), ("tolerances: {}", f"{faults}\ntolerances: {{}}")]
    findings = reviewed(written(tmp_path, edits, calm))
    found = [each.what for each in findings if each.kind == "breaker_cannot_open"]
    assert len(found) == bool(what)
    assert all(what in text for text in found)


def test_an_accepted_finding_is_kept_with_its_reason_and_is_not_open(tmp_path: Path) -> None:
    accepts = 'accepts: [{finding: single_link, at: psp, because: "one contract until 2027"}]\n'
    folder = written(tmp_path, [("entry: gateway\n", f"{accepts}entry: gateway\n")])
    finding = next(each for each in reviewed(folder) if each.at == "psp")
    assert finding.accepted == "one contract until 2027"
    assert not finding.is_open


def test_a_delivery_stands_still_when_no_way_to_the_ledger_is_left(tmp_path: Path) -> None:
    held = "issuer: {role: issuer, expires_after: 60s}"
    short = edited(SALES, [("issuer: {role: issuer}", held)])
    other = "  other: {role: node, calls: {transfer: {to: base}, read: {to: base}}}\n"
    failover = "fallback: [{to: other}]"
    two = edited(
        short,
        [
            ("on_unknown: resend}", f"on_unknown: resend, {failover}}}"),
            ("read: {to: node, timeout: 2s}", f"read: {{to: node, timeout: 2s, {failover}}}"),
            ("  base: {role: ledger", f"{other}  base: {{role: ledger"),
        ],
    )
    for chain, target, kind, is_found in (
        (short, "{link: node}", "down: {}", True),
        (two, "{link: node}", "down: {}", False),
        (two, "{hop: node -> base}", "down: {}", False),
        (two, "{role: node}", "down: {}", True),
        (two, "{link: wallet}", "down: {}", True),
        (two, "{link: issuer}", "down: {}", True),  # the captures cannot get there
        (two, "{link: base}", "halt: {}", True),
        (two, "{link: base}", "no_finality: {}", True),
        (two, "{link: base}", "fee_spike: {times: 4}", True),
        (two, "{link: base}", "reorg: {depth: 2}", False),  # over in a moment
        (two, "{link: base}", "reverts: {}", False),  # what comes to nothing is not captured
        (short, "{link: node}", "drops: {}", True),
        (short, "{link: node}", "drops: {share: 50%}", False),
        (short, "{link: node}", "lies: {}", False),  # all seems final
    ):
        fault = f"faults: [{{at: 0s, for: 90s, target: {target}, {kind}}}]\ntolerances:"
        folder = written(tmp_path, [(SOUND, chain)], [("tolerances:", fault)])
        kinds = {finding.kind for finding in reviewed(folder)}
        assert ("hold_expires_early" in kinds) == is_found, (target, kind)


def test_an_order_that_is_paid_twice_is_refused_by_a_duplicate_window(tmp_path: Path) -> None:
    twice = [("after: 5s}", "after: 5s, twice: {share: 2%, key: new, gap: 1s}}")]
    window = of_psp("duplicates: {by: [card, amount], within: 2m}")
    short = of_psp("duplicates: {by: [card, amount], within: 1s}")
    two = [STANDBY, ("{to: psp,", "{fallback: [{to: standby}], to: psp,")]
    on_each = [*two, ("role: processor,", "role: processor, duplicates: {by: [card], within: 2m},")]
    for edits, is_found in (([window], False), ([short], True), ([*on_each, window], True)):
        kinds = {finding.kind for finding in reviewed(written(tmp_path, edits, twice))}
        assert ("customer_retry_without_key" in kinds) == is_found


def test_customers_who_order_again_are_refused_by_one_duplicate_window(tmp_path: Path) -> None:
    again = ("entry: gateway\n", "customer: {retry: {after: 7s, key: new}}\nentry: gateway\n")
    window = of_psp("duplicates: {by: [card, amount], within: 2m}")
    short = of_psp("duplicates: {by: [card, amount], within: 10s}")
    two = [again, window, STANDBY, ("{to: psp,", "{fallback: [{to: standby}], to: psp,")]
    for edits, is_found in (([again], True), ([again, window], False), ([again, short], True)):
        kinds = {finding.kind for finding in reviewed(written(tmp_path, edits))}
        assert ("customer_retry_without_key" in kinds) == is_found
    # The standby knows nothing of what the first one took, but the bank behind both does; unless
    # one of them approves without it.
    behind = ("issuer: {", "issuer: {duplicates: {by: [card, amount], within: 2m}, ")
    alone = "calls: {authorise: {fallback: [{stand_in: {up_to: 9}}], to: issuer"
    stands_in = ("calls: {authorise: {to: issuer", alone)
    for edits, is_found in (
        (two, True),
        ([*two, behind], False),
        ([*two, behind, stands_in], True),
    ):
        kinds = {finding.kind for finding in reviewed(written(tmp_path, edits))}
        assert ("customer_retry_without_key" in kinds) == is_found


def test_what_only_an_experiment_shows_is_never_a_stale_acceptance(tmp_path: Path) -> None:
    for kind in (
        "customer_retry_without_key",
        "breaker_cannot_open",
        "hold_expires_early",
        "query_given_up_early",
        "reversal_given_up_early",
        "fault_without_traffic",
    ):
        item = f"accepts: [{{finding: {kind}, at: gateway, because: x}}]\n"
        folder = written(tmp_path, [("entry: gateway\n", f"{item}entry: gateway\n")])
        chain = load_chain(str(folder / "shop.yaml"))
        assert stale_accepts(chain.model, review(chain)) == []


def test_captures_are_late_enough_for_what_was_stored(tmp_path: Path) -> None:
    """Stored for 10 s, each try waits 2 s: captured after 12 s it may still be too early."""
    stores = (
        "{to: issuer, timeout: 2s, on_unknown: reverse}",
        "{to: issuer, timeout: 2s, on_unknown: reverse, "
        "fallback: [{queue: {up_to: 9.00, within: 10s}}]}",
    )
    for after, is_found in (("12s", True), ("13s", False)):
        edits = [stores, ("captures: {after: 1s}", f"captures: {{after: {after}}}")]
        kinds = {finding.kind for finding in reviewed(written(tmp_path, edits))}
        assert ("captured_before_delivery" in kinds) == is_found


def test_an_acceptance_of_what_is_not_there_is_a_mistake_or_stale(tmp_path: Path) -> None:
    def accepting(item: str) -> Path:
        return written(tmp_path, [("entry: gateway\n", f"accepts: [{{{item}}}]\nentry: gateway\n")])

    for item, message in (
        ("finding: single_lnk, at: psp, because: x", "did you mean 'single_link'?"),
        ("finding: single_link, at: pps, because: x", "did you mean 'psp'?"),
        ("finding: single_link, at: psp", "'because' is missing"),
    ):
        folder = accepting(item)
        with pytest.raises(FileMistakes, match=message.replace("?", r"\?")):
            load_chain(str(folder / "shop.yaml"))
    folder = accepting("finding: no_idempotency, at: psp, because: x")
    chain = load_chain(str(folder / "shop.yaml"))
    assert stale_accepts(chain.model, review(chain)) == [0]


def test_issuer_and_entry_are_unavoidable_and_an_issuers_second_caller_is_not(
    tmp_path: Path,
) -> None:
    findings = reviewed(written(tmp_path, []))
    unavoidable = {each.at: each.unavoidable for each in findings if each.kind == "single_link"}
    assert unavoidable == {"gateway": True, "psp": False, "issuer": True}


@pytest.mark.parametrize(
    "edits",
    [
        [
            authorise("to: psp, timeout: 4s, on_unknown: reverse, retry: {on: [refused]}"),
            of_psp("idempotency: stripe-v1"),
        ],
        [
            authorise("to: psp, timeout: 4s, on_unknown: reverse, fallback: [{to: standby}]"),
            STANDBY,
        ],
        [authorise("to: psp, timeout: 4s, on_unknown: query, query: {attempts: 2, timeout: 1s}")],
        [authorise("to: psp, timeout: 4s, on_unknown: resend"), of_psp("idempotency: adyen")],
        [authorise("to: psp, timeout: 4s, on_unknown: reverse, hedge: {after: 500ms}")],
        [authorise("to: psp, timeout: 4s, on_unknown: reverse, fallback: [{queue: {up_to: 900}}]")],
        [
            authorise(
                "to: psp, timeout: 4s, on_unknown: reverse, "
                "fallback: [{stand_in: {up_to: 50.00, per_card: 3}}]"
            )
        ],
        [("entry: gateway", "customer: {retry: {after: 7s}}\nentry: gateway")],
        [("captures: {after: 1s}", "captures: {on: webhook}"), of_psp("webhooks: {to: gateway}")],
        [("captures: {after: 1s}", "captures: {after: 1s, parts: 3}\n    refunds: {share: 5%}")],
        [FRONT],
        [
            FRONT,
            ("timeout: 15s}", "timeout: 15s, shares_keys: true, fallback: [{to: second}]}"),
            SECOND,
        ],
        [
            FRONT,
            ("timeout: 15s}", "timeout: 15s, on_unknown: reverse, fallback: [{to: second}]}"),
            (SECOND[0], SECOND[1].replace("to: psp", "to: standby")),
            STANDBY,
        ],
        # its overload makes no call of the retry come again, or only within a budget
        [
            authorise("to: psp, timeout: 4s, on_unknown: reverse, retry: {on: [refused]}"),
            of_psp("capacity: {concurrency: 60}"),
        ],
        [
            authorise(
                "to: psp, timeout: 4s, on_unknown: reverse, "
                "retry: {on: [rejected], budget: {share: 10%}}"
            ),
            of_psp("capacity: {concurrency: 60}"),
        ],
        # a gateway captures what it has stored itself once that is delivered
        [
            authorise(
                "to: psp, timeout: 4s, on_unknown: reverse, fallback: [{queue: {up_to: 9.00}}]"
            )
        ],
        # the processor passes on its caller's reversals
        [("{to: issuer, timeout: 2s, on_unknown: reverse}", "{to: issuer, timeout: 2s}")],
        # nothing is due after the authorisation, so nothing is lost in a crash but reversals
        [("    outbox: disk\n    captures: {after: 1s}\n", "")],
    ],
    ids=lambda edits: edits[0][1][:60],
)
def test_nothing_is_found_on_a_sound_variant(tmp_path: Path, edits: list[Edit]) -> None:
    kinds = {finding.kind for finding in reviewed(written(tmp_path, edits))}
    assert kinds <= {"single_link"}, as_yaml({"found": sorted(kinds)})
