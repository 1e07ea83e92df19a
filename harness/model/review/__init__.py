"""Static review of a chain: what its declaration already says about how it will fail."""

from __future__ import annotations

from harness.model.chain import Chain
from harness.model.loading import Loaded
from harness.model.review import money, providers, times
from harness.model.review.finding import WHY, Found, ReviewFinding

__all__ = ["ReviewFinding", "review"]
_REVIEWS = (
    times.timeout_inversions,
    times.deadline_too_short,
    times.amplified_retries,
    money.failover_on_unknown,
    money.retry_without_key,
    money.reversal_behind_breaker,
    money.call_without_policy,
    providers.single_links,
    providers.single_providers,
    providers.shared_providers,
)


def review(loaded: Loaded[Chain]) -> list[ReviewFinding]:
    """Every finding of a checked chain, in the order of its file."""
    found = [one for look in _REVIEWS for one in look(loaded.model)]
    found.sort(key=lambda one: loaded.document.place(one.path))
    return [_placed(loaded, one) for one in found]


def _placed(loaded: Loaded[Chain], one: Found) -> ReviewFinding:
    why, source = WHY[one.kind]
    return ReviewFinding(
        one.kind, loaded.place(*one.path), one.subject, one.what, why, source, one.mend
    )
