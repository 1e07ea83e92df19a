"""Requests in GraphQL as a server reads them."""

from __future__ import annotations

from typing import Any

import pytest

from paychain.protocol.graphql import Operation, Selection, Unreadable, operation_of


def asked(text: str, **variables: Any) -> Selection:
    """The first field of a request."""
    return operation_of(text, variables).selections[0]


def test_a_request_is_read_with_its_variables_and_their_defaults() -> None:
    text = """
    # What a shop sends.
    mutation Pay($input: PayInput!, $note: String = "a \\"note\\"", $tags: [Tag!]! = [RED, BLUE]) {
      paid: pay(input: $input, note: $note, tags: $tags, more: {a: -1.5, on: true, off: null}) {
        id, status
      }
    }
    """
    field = asked(text, input={"amount": "10.00"})
    assert (field.name, field.key) == ("pay", "paid")
    assert field.arguments == {
        "input": {"amount": "10.00"},
        "note": 'a "note"',
        "tags": ["RED", "BLUE"],
        "more": {"a": -1.5, "on": True, "off": None},
    }
    assert [each.name for each in field.selections] == ["id", "status"]


def test_two_escapes_may_be_one_character() -> None:
    field = asked('{ a(b: "\\ud83d\\ude00 \\u00e9", c: "😀") }')
    assert field.arguments == {"b": "😀 é", "c": "😀"}


def test_fragments_stand_where_they_are_spread() -> None:
    text = """
    query One { node(id: "x") { ...Shown ... on Refund { legacyId } ... { id } } }
    fragment Shown on Transaction { amount { value } }
    """
    spread, on_refund, plain = asked(text).selections
    assert (spread.on, spread.selections[0].name) == ("Transaction", "amount")
    assert (on_refund.on, plain.on) == ("Refund", "")


def test_of_several_operations_one_has_to_be_named() -> None:
    text = "query A { a } mutation B { b }"
    named = operation_of(text, {}, "B")
    assert isinstance(named, Operation)
    assert (named.kind, named.selections[0].name) == ("mutation", "b")
    for name in ("", "C"):
        with pytest.raises(Unreadable):
            operation_of(text, {}, name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{ a",
        "{ a( }",
        "{ a(b: ) }",
        "subscription { a }",
        "{ a @skip(if: true) }",
        "{ ...Nothing }",
        "{ ...A } fragment A on T { ...A }",
        "{ a(b: ~) }",
        "{ " + "a { " * 60 + "}" * 61,
        "{ a }" + " " * 100_000,
        "{ ...F0 }"
        + "".join(f"fragment F{n} on T {{ ...F{n + 1} ...F{n + 1} }}" for n in range(20))
        + "fragment F20 on T { a }",
        "{ ...F0 }"
        + "".join(f"fragment F{n} on T {{ ...F{n + 1} }}" for n in range(1500))
        + "fragment F1500 on T { a }",
        "{ a(b: " + "[" * 2000 + "]" * 2000 + ") }",
        "{ a(b: " + "{c: " * 2000 + "1" + "}" * 2000 + ") }",
        "query ($b: [B] = " + "[" * 2000 + "]" * 2000 + ") { a(b: $b) }",
        "{ a(b: " + "9" * 5000 + ") }",
        '{ a(b: "\\ud83d") }',
    ],
)
def test_what_cannot_be_served_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        operation_of(text, {})
