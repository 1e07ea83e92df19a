"""Short ids: so many characters, one for each reference, and nothing else can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paychain.protocol.short_ids import LONG, SHORT, Form, lengthen, shorten

_run = st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=4, max_size=4)
_reference = st.builds(
    lambda run, number, repeat, twin, attempt, item: (
        f"p{run}{number:07d}{repeat}{twin}-{attempt}{item}"
    ),
    st.one_of(_run, st.just("")),
    st.integers(0, 9_999_999),
    st.one_of(st.just(""), st.integers(1, 999).map(lambda times: f"r{times}")),
    st.sampled_from(["", "b"]),
    st.integers(1, 31),
    st.one_of(
        st.just(""),
        st.builds(
            lambda kind, number: f"/{kind}{number}", st.sampled_from("crvto"), st.integers(1, 31)
        ),
    ),
)


@given(_reference, st.sampled_from([SHORT, LONG]))
def test_what_an_id_was_made_from_can_be_read(reference: str, form: Form) -> None:
    short = shorten(reference, form)
    assert short is not None
    assert len(short) == form.length
    assert lengthen(short, form) == reference
    assert lengthen(short, LONG if form is SHORT else SHORT) is None


def test_an_id_that_was_not_made_here_is_not_read() -> None:
    ids = [shorten(f"pab1x{number:07d}-1") for number in range(1000)]
    assert len(set(ids)) == 1000
    mistaken = [f"{short[:-1]}{'A' if short[-1] != 'A' else 'B'}" for short in ids if short]
    # One of 28,000 would have the right checksum by chance.
    assert sum(lengthen(short) is not None for short in mistaken) <= 1
    assert lengthen("NQ3ZKH5TJ8MJ7S8") is None  # 15 characters
    assert lengthen("nq3zkh5tj8mj7s82") is None


@pytest.mark.parametrize(
    "reference", ["?psp-1-1", "pab1x0000001-1~2", "pab1x0000001-01", "pab1x0000001-32", "shop-1"]
)
def test_a_reference_of_another_form_has_no_short_id(reference: str) -> None:
    assert shorten(reference) is None
