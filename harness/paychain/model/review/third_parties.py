"""Findings about third parties: calls that stop payments and need not, and calls that must.

Source: docs/third-parties.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from paychain.model.chain import Chain
from paychain.model.fallbacks import key_of
from paychain.model.fallbacks.step import GoOn
from paychain.model.named_calls import operation_of
from paychain.model.review.calls import declared_calls
from paychain.model.review.finding import Weakness
from paychain.model.review.remedy import Edit
from paychain.model.third_parties import goes_on, lacking, must_fail_closed


def opened_calls(chain: Chain) -> Iterator[Weakness]:
    """Calls that must fail closed, with a fallback by which payments go on without them."""
    for declared in declared_calls(chain):
        if not must_fail_closed(chain, declared.operation, declared.call):
            continue
        for number, step in enumerate(declared.call.fallback):
            if not isinstance(step, GoOn):
                continue
            path = declared.at("fallback", number)
            yield Weakness(
                kind="closed_call_skipped",
                path=path,
                subject=declared.subject,
                what=f"{declared.subject} lets payments go on without "
                f"{lacking(chain, declared.link, declared.operation)} while "
                f"{declared.call.to} fails ({step.words})",
                hint=f"remove {key_of(step)}, and add another route to the same answer",
                remedy=Edit(path, action="remove"),
            )


def third_parties_in_the_way(chain: Chain) -> Iterator[Weakness]:
    """Third parties that a payment waits for and cannot go on without."""
    for declared in declared_calls(chain):
        call = declared.call
        if operation_of(declared.operation) != "serve" or call.aside or goes_on(call):
            continue
        path = declared.at("fallback")
        they = " and ".join(call.routes)
        skip: dict[str, object] = {"skip": {}}
        yield Weakness(
            kind="third_party_in_the_way",
            path=path if call.fallback else declared.path,
            subject=declared.subject,
            what=f"no payment goes on without {they}, which does not decide about money",
            hint="add a fallback that goes on without it: skip, limited by up_to where it guards "
            "against abuse, or default",
            remedy=Edit(path, skip, "add") if call.fallback else Edit(path, [skip]),
        )
