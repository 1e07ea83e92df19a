"""`pays:` as declared: what is a mistake, where it is, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.model.loading import FileMistakes, load_chain, load_experiment
from paychain.model.paid_at import paid_link, template_at
from tests.support.chains import corner_shop
from tests.support.paid_shop import ORDERS

CHAIN = """\
chain: own
entry: shop-api
deadline: 5s
links:
  shop-api:
    role: gateway
    service: {command: "true"}
    calls: {authorise: {to: processor}}
    pays:
PAYS
  processor: {role: processor, calls: {authorise: {to: issuer, timeout: 1s}}}
  issuer: {role: issuer}
"""


def chain(tmp_path: Path, pays: str, text: str = CHAIN) -> Path:
    indented = "\n".join(f"      {line}" for line in pays.strip().splitlines())
    path = tmp_path / "own.yaml"
    path.write_text(text.replace("PAYS", indented))
    return path


REQUEST = 'request: {path: "/orders/{payment}"}'
ANSWERS = "approved: {status: 200}\ndeclined: {status: 402}"


@pytest.mark.parametrize(
    ("pays", "line", "column", "what"),
    [
        # placeholders, at the very value
        (
            'request:\n  path: /orders\n  json:\n    id: "{payment}"\n    sum: "{amout}"\n'
            + ANSWERS,
            14,
            16,
            "unknown placeholder '{amout}'; did you mean 'amount'?",
        ),
        (
            'request: {path: "/{payment}", headers: {x-id: "{paymnt}"}}\n' + ANSWERS,
            10,
            53,
            "did you mean 'payment'?",
        ),
        (
            'request: {path: "/{payment}/{amount:minor}"}\n' + ANSWERS,
            10,
            23,
            "unknown form 'minor'",
        ),
        (
            'request: {path: "/{payment}/{answer.id}"}\n' + ANSWERS,
            10,
            23,
            "no answer came before this request",
        ),
        (
            REQUEST + "\n" + ANSWERS + '\npending: {status: 202, then: {get: "/o/{id}"}}',
            13,
            42,
            "unknown placeholder '{id}'; a field of the answer before is {answer.id}",
        ),
        (
            "request: {path: /orders, json: {id: 1}}\n" + ANSWERS,
            10,
            16,
            "no request has an id of the payment, so all of them look alike",
        ),
        (
            'request: {path: "/{payment}/{merchant:number}"}\n' + ANSWERS,
            10,
            23,
            "{merchant:number}: merchant is not a number; write {merchant}",
        ),
        (
            REQUEST
            + "\n"
            + ANSWERS
            + '\npending: {status: 202, then: {get: /x, headers: {a: "{kye}"}}}',
            13,
            55,
            "did you mean 'key'?",
        ),
        # requests
        (
            "request: {path: orders}\n" + ANSWERS,
            10,
            23,
            "'orders' does not begin with a slash; write /orders",
        ),
        ('request: {path: "http://shop/orders"}\n' + ANSWERS, 10, 23, "has a host"),
        ('request: {path: "/my orders"}\n' + ANSWERS, 10, 23, "percent-encode it"),
        (
            'request: {path: "/{payment}", method: SEND}\n' + ANSWERS,
            10,
            45,
            "unknown method 'SEND'",
        ),
        (
            'request: {path: "/{payment}", json: {}, form: {a: b}}\n' + ANSWERS,
            10,
            16,
            "the request has json and form; give one of them",
        ),
        (
            'request: {path: "/{payment}", method: GET, body: x}\n' + ANSWERS,
            10,
            16,
            "a GET has no body",
        ),
        (
            'request: {path: "/{payment}", headers: {Baggage: a=b}}\n' + ANSWERS,
            10,
            46,
            "paychain writes the header 'Baggage' itself; remove it",
        ),
        ('request: {path: "/{payment}", json: \'{"id": }\'}\n' + ANSWERS, 10, 43, "not JSON"),
        ('request: {path: "/{payment}", jsn: {}}\n' + ANSWERS, 10, 37, "did you mean 'json'?"),
        # answers
        (
            REQUEST + "\napproved: {status: 99}\ndeclined: {status: 402}",
            11,
            26,
            "'99' is not a status; write 200, 200-299 or [200, 201]",
        ),
        (
            REQUEST + "\napproved: {status: 299-200}\ndeclined: {status: 402}",
            11,
            26,
            "'299-200' is empty; write 200-299",
        ),
        (
            REQUEST + "\napproved: {where: {$..state: paid}}\ndeclined: {status: 402}",
            11,
            25,
            "'$..state' is not a path to a field of an answer",
        ),
        (
            REQUEST + "\napproved: {}\ndeclined: {status: 402}",
            11,
            17,
            "no answer is described; add status: or where:",
        ),
        (
            REQUEST + "\napproved: {status: 200}",
            10,
            7,
            "no answer is described as declined; add declined: {status: 402}",
        ),
        (
            REQUEST + "\napproved: {status: 200, amount: charged}\ndeclined: {status: 402}",
            11,
            17,
            "'charged' may be decimal or in minor units",
        ),
        (REQUEST + "\n" + ANSWERS + "\npending: {status: 202}", 13, 7, "'then' is missing"),
        (
            REQUEST
            + "\n"
            + ANSWERS
            + "\npending: {status: 202, then: {get: '/{payment}', every: 1}}",
            13,
            63,
            "'1' has no unit; write 1s or 1ms",
        ),
        # ways
        (ANSWERS, 10, 7, "neither request nor steps nor by"),
        (REQUEST + "\nby: a.py:Shop\n" + ANSWERS, 10, 7, "give exactly one of"),
        ("by: adapters.Shop", 10, 7, "names no class; write adapters.py:Shop"),
        ("by: a.py:Shop\napproved: {status: 200}", 10, 7, "remove approved:"),
        (REQUEST + "\n" + ANSWERS + "\ntokens: {vsa: tok}", 13, 21, "did you mean 'visa'?"),
    ],
)
def test_a_mistake_is_reported_where_it_stands(
    tmp_path: Path, pays: str, line: int, column: int, what: str
) -> None:
    with pytest.raises(FileMistakes) as raised:
        load_chain(str(chain(tmp_path, pays)))
    assert len(raised.value.lines) == 1, raised.value.lines
    place, _, text = raised.value.lines[0].partition(": ")
    assert what in text
    assert place.endswith(f":{line}:{column}"), place


def test_a_template_is_what_was_declared(tmp_path: Path) -> None:
    loaded = load_chain(str(chain(tmp_path, ORDERS)))
    template = template_at(loaded.model, "shop-api")
    assert template is not None
    assert [step.method for step in template.steps] == ["POST"]
    outcomes = [pattern.outcome for pattern in template.patterns]
    assert outcomes == ["approved", "declined", "pending"]
    # The request writes {amount_minor}, so the answer's amount is in minor units, too.
    assert template.patterns[0].unit == "minor"
    assert template.patterns[2].every_s == 0.1


def test_json_may_be_written_as_text_for_numbers_with_decimals(tmp_path: Path) -> None:
    pays = """request: {path: /pay, json: '{"id": "{payment}", "rate": 1.5}'}\n""" + ANSWERS
    template = template_at(load_chain(str(chain(tmp_path, pays))).model, "shop-api")
    assert template is not None
    assert template.steps[0].content == {"id": "{payment}", "rate": 1.5}


def test_customers_of_an_edge_pay_the_service_behind_it(tmp_path: Path) -> None:
    text = CHAIN.replace("entry: shop-api", "entry: cdn").replace(
        "links:\n",
        "links:\n  cdn: {role: edge, forwards_to: waf}\n"
        + "  waf: {role: edge, forwards_to: shop-api}\n",
    )
    model = load_chain(str(chain(tmp_path, ORDERS, text))).model
    assert paid_link(model, "cdn") == "shop-api"
    assert paid_link(model, "processor") is None


def test_services_behind_one_edge_are_paid_in_one_way(tmp_path: Path) -> None:
    other = "  old: {role: gateway, calls: {authorise: {to: processor, timeout: 1s}}}\n"
    edge = (
        "  cdn:\n    role: edge\n"
        "    calls: {forward: {to: shop-api, timeout: 4s, fallback: [{to: old}]}}\n"
    )
    text = CHAIN.replace("entry: shop-api", "entry: cdn").replace(
        "links:\n", f"links:\n{edge}{other}"
    )
    with pytest.raises(FileMistakes, match="customers pay shop-api and old in different ways"):
        load_chain(str(chain(tmp_path, ORDERS, text)))


def test_a_fault_for_some_cards_cannot_be_injected_into_an_edge_that_reads_none(
    tmp_path: Path,
) -> None:
    text = CHAIN.replace("entry: shop-api", "entry: cdn").replace(
        "links:\n", "links:\n  cdn: {role: edge, forwards_to: shop-api}\n"
    )
    model = load_chain(str(chain(tmp_path, ORDERS, text))).model
    (tmp_path / "some.yaml").write_text(
        "experiment: some\n"
        "load: {arrivals: 20/s, before: 1s, after: 1s}\n"
        "faults:\n"
        "  - at: 0s\n"
        "    for: 1s\n"
        "    target: {link: cdn}\n"
        "    http_error: {status: 503, only: {schemes: [visa]}}\n"
    )
    with pytest.raises(FileMistakes, match=r"some\.yaml:7:37: cdn passes on a user's own requests"):
        load_experiment(str(tmp_path / "some.yaml"), model)


@pytest.mark.parametrize(
    ("leaves", "pays", "what"),
    [
        ("{share: 5%, after: 5s}", ORDERS, "own.yaml:2:39: every customer leaves after 5 s"),
        (
            "{share: 5%, after: 1s, returns_after: 2s}",
            REQUEST + "\n" + ANSWERS,
            "own.yaml:2:58: no place to look is declared",
        ),
        (
            "{share: 5%, after: 1s, returns_after: 2s}",
            REQUEST + "\n" + ANSWERS + '\nlook: {get: "/orders/{answer.id}"}',
            "a returning customer has no earlier answer",
        ),
        (
            "{share: 5%, after: 1s, returns_after: 2s}",
            REQUEST + "\n" + ANSWERS + '\nreturns: {get: "/return?id={answer.id}"}',
            "a returning customer has no earlier answer",
        ),
    ],
)
def test_customers_leave_before_the_deadline_and_know_where_to_look(
    tmp_path: Path, leaves: str, pays: str, what: str
) -> None:
    text = CHAIN.replace("entry:", f"customer: {{leaves: {leaves}}}\nentry:")
    with pytest.raises(FileMistakes) as raised:
        load_chain(str(chain(tmp_path, pays, text)))
    assert any(what in line for line in raised.value.lines), raised.value.lines


def test_customers_of_mocks_may_leave_but_have_nowhere_to_come_back_to(tmp_path: Path) -> None:
    leaves = {"share": "5%", "after": "500ms"}
    path = tmp_path / "mocks.yaml"
    path.write_text(corner_shop(customer={"leaves": leaves}))
    assert load_chain(str(path)).model.customer.leaves is not None
    path.write_text(corner_shop(customer={"leaves": {**leaves, "returns_after": "1s"}}))
    with pytest.raises(FileMistakes, match="customers of gateway have nowhere to look"):
        load_chain(str(path))


def test_pays_is_for_an_own_service_and_one_that_customers_reach_needs_it(tmp_path: Path) -> None:
    mock = CHAIN.replace('    service: {command: "true"}\n', "")
    with pytest.raises(FileMistakes, match="shop-api is a mock: customers pay it in its dialect"):
        load_chain(str(chain(tmp_path, ORDERS, mock)))
    bare = CHAIN.replace("    pays:\nPAYS\n", "")
    with pytest.raises(FileMistakes, match="customers pay shop-api, but pays: is missing"):
        load_chain(str(chain(tmp_path, ORDERS, bare)))
    path = chain(tmp_path, ORDERS, bare.replace("gateway\n", "gateway\n    dialect: paychain\n"))
    assert template_at(load_chain(str(path)).model, "shop-api") is None
