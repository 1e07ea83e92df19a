"""The tokens of a directory: what takes them, and what brings them back."""

from __future__ import annotations

from paychain.model.lookups import Lookups
from paychain.services.token_bucket import NS, TokenBucket


def bucket_of(**declared: object) -> TokenBucket:
    return TokenBucket(Lookups.model_validate(declared), 0)


def answered(bucket: TokenBucket, now_s: float, *, found: bool = True) -> bool:
    """Look something up; whether it was answered."""
    is_admitted = bucket.admits(round(now_s * NS))
    if is_admitted:
        bucket.looked_up(found=found)
    return is_admitted


def test_look_ups_take_tokens_and_approved_payments_give_them_back() -> None:
    bucket = bucket_of(bucket=3)
    assert [answered(bucket, 0) for _ in range(4)] == [True, True, True, False]
    bucket.approved(0)
    assert [answered(bucket, 0) for _ in range(2)] == [True, False]


def test_one_that_finds_nothing_takes_more_than_there_is_and_never_a_debt() -> None:
    bucket = bucket_of(bucket=5, miss=20, refill="1/s")
    assert answered(bucket, 0, found=False)
    assert not answered(bucket, 0.9)
    assert answered(bucket, 1.0)


def test_time_fills_the_bucket_exactly_and_no_further() -> None:
    bucket = bucket_of(bucket=2, refill="3/s")
    assert [answered(bucket, 0) for _ in range(3)] == [True, True, False]
    # a third of a second each, however often somebody looks meanwhile
    assert not any(answered(bucket, at_ms / 1000) for at_ms in range(1, 334))
    assert answered(bucket, 0.334)
    assert [answered(bucket, 1_000) for _ in range(3)] == [True, True, False]


def test_refusals_that_cost_keep_the_bucket_empty_until_nobody_asks() -> None:
    bucket = bucket_of(bucket=1, refill="1/s", refused=20)
    assert answered(bucket, 0)
    assert not any(answered(bucket, half / 2) for half in range(1, 40))
    assert answered(bucket, 21)
