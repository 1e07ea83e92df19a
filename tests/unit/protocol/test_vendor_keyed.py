"""What is made once under a key, and when the key is used up."""

from __future__ import annotations

from paychain.protocol.vendor_keyed import MadeByKey


def test_a_key_is_used_up_when_the_work_is_done_and_not_before() -> None:
    made = MadeByKey[str](2)
    first = made.begin("k", {"a": 1}, lambda: "first")
    assert made.begin("k", {"a": 1}, lambda: "repeat") is first
    second = made.begin("k", {"a": 2}, lambda: "second")
    assert second.made == "second"
    assert [second.done(), second.done()] == [True, False]
    assert made.begin("k", {"a": 3}, lambda: "third") is second


def test_a_request_without_a_key_is_nobodys_repeat() -> None:
    made = MadeByKey[str](2)
    assert made.begin(None, {}, lambda: "one") is not made.begin(None, {}, lambda: "two")


def test_the_oldest_key_is_forgotten_first() -> None:
    made = MadeByKey[int](2)
    for number in range(3):
        made.begin(number, {}, lambda: 0).done()
    assert not made.begin(0, {}, lambda: 0).is_done
    assert made.begin(2, {}, lambda: 0).is_done
