"""Findings about what follows an approval: captures, refunds, tenders, proofs that do not travel.

Source: docs/follow-ups.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from paychain.model.book_limits import overcapture
from paychain.model.chain import Chain
from paychain.model.links_behind import behind
from paychain.model.review.calls import paying_links
from paychain.model.review.finding import Weakness, of_setting
from paychain.model.review.remedy import Edit


def captured_twice(chain: Chain) -> Iterator[Weakness]:
    """Gateways whose two triggers capture under keys of their own."""
    for name, link in chain.links.items():
        captures = link.captures
        if captures is None or captures.key == "same":
            continue
        yield of_setting(
            "captured_twice",
            name,
            "captures",
            "key",
            what=f"{name} captures on the answer and on the webhook, each under a key of its own",
            hint="remove key: new, so that the second capture is recognised as a repeat",
        )


def capture_beyond_limit(chain: Chain) -> Iterator[Weakness]:
    """Gateways that capture more than a link behind them lets through."""
    for name, link in chain.links.items():
        if link.captures is None or link.captures.of <= 1 or name not in paying_links(chain):
            continue
        targets = behind(chain.links, name, "authorise")
        limits = {target: overcapture(chain, target) or 0.0 for target in targets}
        tightest = min(limits, key=lambda target: limits[target], default=None)
        if tightest is None or link.captures.of <= 1 + limits[tightest] + 1e-9:
            continue
        limit = f"{100 * (1 + limits[tightest]):g}%"
        yield Weakness(
            kind="capture_beyond_limit",
            path=("links", name, "captures", "of"),
            subject=f"link {name}",
            what=f"{name} captures {100 * link.captures.of:g} % of what was authorised, and "
            f"{tightest} permits {limit.removesuffix('%')} %",
            hint="capture less, or declare overcapture: on the links that permit it",
            remedy=Edit(("links", name, "captures", "of"), limit),
        )


def refunds_unchecked(chain: Chain) -> Iterator[Weakness]:
    """Links that do not compare a refund with what was captured."""
    for name, link in chain.links.items():
        if link.checks_refunds is False:
            yield of_setting(
                "refunds_unchecked",
                name,
                "checks_refunds",
                what=f"{name} refunds any amount, regardless of earlier refunds",
                hint="remove checks_refunds: false",
            )


def rest_not_released(chain: Chain) -> Iterator[Weakness]:
    """Gateways that capture a part and never release the rest."""
    for name, link in chain.links.items():
        captures = link.captures
        if captures is None or captures.final or captures.of >= 1:
            continue
        yield of_setting(
            "rest_not_released",
            name,
            "captures",
            "final",
            what=f"{name} captures {100 * captures.of:g} % and never releases the rest of the hold",
            hint="remove final: false",
        )


def tenders_not_compensated(chain: Chain) -> Iterator[Weakness]:
    """Payments by several means whose first parts stay authorised when a later part fails."""
    for name, link in chain.links.items():
        for operation, call in link.calls.items():
            if not call.shared_tenders or call.compensates:
                continue
            taken = ", ".join(target for target, _ in call.shared_tenders)
            at = ("links", name, "calls", operation)
            yield Weakness(
                kind="tenders_not_compensated",
                path=(*at, "tenders"),
                subject=f"{name}.{operation}",
                what=f"a hold at {taken} remains when a later tender fails",
                hint="declare compensates: true",
                remedy=Edit((*at, "compensates"), True),
            )


def authentication_not_portable(chain: Chain) -> Iterator[Weakness]:
    """Fallbacks that get a payment without the authentication that was made for it."""
    for name, link in chain.links.items():
        authorise, authenticate = link.calls.get("authorise"), link.calls.get("authenticate")
        if authorise is None or authenticate is None:
            continue
        for proof in authenticate.targets:
            valid_for = chain.links[proof].valid_for
            lost = [target for target in authorise.alternatives if target not in valid_for]
            if not valid_for or not lost:
                continue
            yield Weakness(
                kind="authentication_not_portable",
                path=("links", proof, "valid_for"),
                subject=f"link {proof}",
                what=f"{name} may authorise at {', '.join(lost)}, where the authentications of "
                f"{proof} are not valid",
                hint="use an authentication that is valid at every processor",
                remedy=Edit(("links", proof, "valid_for"), action="remove"),
            )
