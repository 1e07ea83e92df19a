"""Own services and payment providers in a review: only what is claimed or declared of them counts.

The review reads an ordinary chain: each own service stands in it as a link whose calls do what is
claimed, and otherwise what no finding can be made of. What is then found in settings that are
nobody's claim is dropped, and what is found in a claim gets its place under `claims`. So it is with
the mocks of payment providers: no user can change a provider, and a default is only the mock's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from paychain.declaration.text import KeyPath
from paychain.model.chain import Chain, Link
from paychain.model.own_services import providers_side
from paychain.model.policy import Call, Claims
from paychain.model.review.calls import paying_links
from paychain.model.review.finding import Weakness, name_of
from paychain.model.review.remedy import Edit

# Weaknesses of a mock's policies: what an own service does then, its own code says.
_OF_MOCKS = (
    "call_without_policy",
    "third_party_in_the_way",
    "closed_call_skipped",
    "one_node_believed",
)
_DEPTH = 4  # keys of the path of a call: links, NAME, calls, OPERATION
# Where a claim is missing: no wait, and every outcome cleared up. Neither leads to a finding.
_SILENT: dict[str, object] = {
    "timeout": 0.0,
    "on_unknown": "reverse",
    "propagate_deadline": False,  # a deadline is passed on in our own dialect only
}


def as_claimed(chain: Chain) -> Chain:
    """The chain with its own services' claims as policies.

    What is declared about payment providers replaces the defaults.
    """
    if not chain.own_services():
        return chain
    theirs = providers_side(chain)
    links = {
        name: _declaring(link) if name in theirs else _claiming(link) if link.service else link
        for name, link in chain.links.items()
    }
    return chain.model_copy(update={"links": links})


def _claiming(link: Link) -> Link:
    calls = {
        operation: call.model_copy(update={**_SILENT, **_given(call), "claims": None})
        for operation, call in link.calls.items()
    }
    return link.model_copy(update={"service": None, "calls": calls})


def _declaring(link: Link) -> Link:
    calls = {
        operation: call.model_copy(
            update={key: value for key, value in _SILENT.items() if not call.declares(key)}
        )
        for operation, call in link.calls.items()
    }
    return link.model_copy(update={"calls": calls})


def _given(call: Call) -> dict[str, object]:
    return call.claims.given if call.claims is not None else {}


def of_own_services(chain: Chain, found: Weakness) -> Weakness | None:
    """A finding of the chain as claimed, for the chain as declared; None when it says nothing."""
    own = chain.own_services()
    if not own:
        return found
    if found.subject == "the customer" and set(paying_links(chain)) <= own.keys():
        # Whether a second payment of an order is recognised is what the run is to show.
        return None if found.kind == "customer_retry_without_key" else found
    if name_of(found.subject) in own and found.kind == "customer_retry_without_key":
        return None
    if found.in_code is not None and _is_of(own, found):
        found = replace(found, remedy=found.in_code)
    path, remedied = _declared(chain, found.path), _declared(chain, found.remedy.path)
    if path is None or remedied is None or _is_of_a_mock(own, found):
        return None
    if _is_of(providers_side(chain), found) and not _is_in_file(chain, found.path):
        return None
    if path == found.path and remedied == found.remedy.path:
        return found
    remedy = Edit(remedied, found.remedy.value, found.remedy.action)
    hint = f"change its code, and then its claim: {found.hint}"
    return replace(found, path=path, remedy=remedy, hint=hint)


def _is_of_a_mock(own: Collection[str], found: Weakness) -> bool:
    """Whether it is about a policy that only a mock could have."""
    return _is_of(own, found) and found.kind in _OF_MOCKS


def _is_of(links: Collection[str], found: Weakness) -> bool:
    return found.path[:1] == ("links",) and len(found.path) > 1 and found.path[1] in links


def _is_in_file(chain: Chain, path: KeyPath) -> bool:
    """Whether the file has what this path names, in a link; what lacks in a call is not there."""
    if len(path) == _DEPTH and path[2] == "calls":
        return False
    place: Any = chain.links[str(path[1])]
    for step in path[2:]:
        if isinstance(place, BaseModel):
            if step not in place.model_fields_set:
                return False
            place = getattr(place, str(step))
        else:
            place = place[step]
    return True


def _declared(chain: Chain, path: KeyPath) -> KeyPath | None:
    """Where the file has what this path is about; None when it is nobody's claim."""
    if path[:1] != ("links",) or len(path) <= 2 or path[1] not in chain.own_services():
        return path
    if path[2] != "calls":
        return None  # how a mock would behave
    if len(path) <= _DEPTH or path[_DEPTH] not in Claims.model_fields:
        return path
    call = chain.calls_of(str(path[1])).get(str(path[3]))
    if call is None or path[_DEPTH] not in _given(call):
        return None
    return (*path[:_DEPTH], "claims", *path[_DEPTH:])
