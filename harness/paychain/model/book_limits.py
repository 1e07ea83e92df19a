"""What a link's book permits beyond what is held or was captured, as its chain declares it.

A link without a declaration of its own takes over what the links in front of it let through: a
scheme and an issuer book what an acquirer has accepted.

    gateway ──▶ processor (declares it) ──▶ scheme (takes it over) ──▶ issuer (takes it over)
"""

from __future__ import annotations

from collections.abc import Iterator

from paychain.model.chain import Chain
from paychain.model.links_behind import called_by
from paychain.model.roles import ROLES


def checks_refunds(chain: Chain, name: str) -> bool:
    """Whether a link compares a refund with what was captured and not refunded before."""
    own = chain.links[name].checks_refunds
    if own is not None:
        return own
    return all(checks_refunds(chain, caller) for caller in _relays_in_front(chain, name))


def overcapture(chain: Chain, name: str) -> float | None:
    """How much more than it holds a link may capture, as a share of the authorised amount.

    Its own declaration, else the widest of the links in front of it, else of those behind it. None:
    nobody declares a limit, and merchants capture more than was authorised: then nobody refuses it
    either, and the money rules report it. A gateway has no book to check: it may what the links
    may that it authorises at.
    """
    limits = [chain.links[name].overcapture]
    if limits == [None]:
        limits = [_limit_in_front(chain, caller) for caller in _relays_in_front(chain, name)]
    if not any(limit is not None for limit in limits):
        limits = [
            _limit_behind(chain, target) for target in called_by(chain.links, name, "authorise")
        ]
    widest = max((limit for limit in limits if limit is not None), default=None)
    if widest is not None:
        return widest
    is_exceeded = any(
        link.captures is not None and link.captures.of > 1 for link in chain.links.values()
    )
    return None if is_exceeded else 0.0


def _limit_in_front(chain: Chain, name: str) -> float | None:
    """The limit that a link declares, or the widest of the links in front of it."""
    own = chain.links[name].overcapture
    if own is not None:
        return own
    limits = [_limit_in_front(chain, caller) for caller in _relays_in_front(chain, name)]
    return max((limit for limit in limits if limit is not None), default=None)


def _limit_behind(chain: Chain, name: str) -> float | None:
    """The limit that a link declares, or the widest of the links behind it."""
    own = chain.links[name].overcapture
    if own is not None:
        return own
    targets = called_by(chain.links, name, "authorise")
    limits = [_limit_behind(chain, target) for target in targets]
    return max((limit for limit in limits if limit is not None), default=None)


def _relays_in_front(chain: Chain, name: str) -> Iterator[str]:
    """Links that pass authorisations on to this one, merchants' gateways left out."""
    for caller in chain.authorised_by.get(name, ()):
        if ROLES[chain.links[caller].role].party != "merchant":
            yield caller
