"""A bounded dictionary forgets its oldest entry, however an entry came in."""

from __future__ import annotations

from paychain.payments.bounded import BoundedDict


def test_one_entry_too_many_forgets_the_oldest_and_reports_it() -> None:
    forgotten: list[tuple[str, int]] = []
    kept = BoundedDict[str, int](2, lambda key, value: forgotten.append((key, value)))
    kept["a"], kept["b"] = 1, 2
    kept["a"] = 3  # a new value makes no entry younger
    kept["c"] = 4

    assert dict(kept) == {"b": 2, "c": 4}
    assert forgotten == [("a", 3)]


def test_what_a_default_adds_is_bounded_as_well() -> None:
    kept = BoundedDict[str, list[int]](1)
    kept.setdefault("a", []).append(1)
    kept.setdefault("b", []).append(2)

    assert dict(kept) == {"b": [2]}


def test_an_entry_that_was_taken_out_and_put_back_is_the_youngest() -> None:
    kept = BoundedDict[str, int](2)
    kept["a"], kept["b"] = 1, 2
    kept["a"] = kept.pop("a")
    kept["c"] = 3

    assert list(kept) == ["a", "c"]
