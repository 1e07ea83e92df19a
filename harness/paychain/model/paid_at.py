"""Which own service customers pay through an entry, and how: the declaration as a template."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from paychain.model.chain import Chain
from paychain.model.pays import AmountField, OpenedPage, Pattern, PayRequest, Pays
from paychain.model.roles import ROLES
from paychain.protocol.pays.template import AnswerPattern as PatternData
from paychain.protocol.pays.template import PaysTemplate, RequestTemplate


def paid_link(chain: Chain, entry: str) -> str | None:
    """The own service that is paid at a link, behind any number of edges; None: a mock is."""
    seen: set[str] = set()
    while entry in chain.links and entry not in seen:
        seen.add(entry)
        link = chain.links[entry]
        if link.pays is not None:
            return entry
        # Only what passes bytes on leaves it to the link behind how it is paid.
        if not ROLES[link.role].only_forwards or "forward" not in chain.calls_of(entry):
            return None
        entry = chain.calls_of(entry)["forward"].to
    return None


def ways_to_pay(chain: Chain) -> list[Pays]:
    """How customers pay the chain's own services, one for each entry that leads to one."""
    paid = [link for entry in chain.entries if (link := paid_link(chain, entry)) is not None]
    return [pays for link in paid if (pays := chain.links[link].pays) is not None]


def template_at(chain: Chain, entry: str) -> PaysTemplate | None:
    """How customers pay at an entry; None where a mock takes payments in its dialect."""
    link = paid_link(chain, entry)
    if link is None:
        return None
    pays = chain.links[link].pays
    assert pays is not None
    look = pays.later_look
    return PaysTemplate(
        link=link,
        look=_look(look) if look is not None else None,
        look_every_s=look.every if look is not None else 0.0,
        returns=_look(pays.returns) if pays.returns is not None else None,
        steps=tuple(map(_request, pays.every_step)),
        patterns=tuple(_patterns(pays)),
        tokens=pays.tokens,
        code_classes={code: own.class_ for code, own in chain.codes.items()},
        adapter=pays.by or "",
        place=f"links.{link}.pays",
    )


def books_at(chain: Chain, link: str) -> PaysTemplate | None:
    """How the books of an own service are read; None where it declares none.

    One request, or none where a command prints all of it, and the pattern of a paid order.
    """
    books, pays = chain.links[link].books, chain.links[link].pays
    if books is None:
        return None
    look = RequestTemplate(method="GET", path=books.get or "/", headers=books.headers)
    return PaysTemplate(
        link=link,
        steps=(look,) if books.get is not None else (),
        patterns=(_pattern(books.paid, _approved(books.amount, pays)),),
        place=f"links.{link}.books",
    )


def _patterns(pays: Pays) -> Iterator[PatternData]:
    for approved in pays.approved:
        yield _pattern(approved, _approved(approved.amount, pays))
    for declined in pays.declined:
        yield _pattern(
            declined,
            PatternData(outcome="declined", code=declined.code or "", technical=declined.technical),
        )
    for rejected in pays.rejected:
        yield _pattern(rejected, PatternData(outcome="rejected"))
    for pending in pays.pending:
        yield _pattern(
            pending,
            PatternData(outcome="pending", look=_look(pending.then), every_s=pending.then.every),
        )


def _approved(amount: AmountField | None, pays: Pays | None) -> PatternData:
    """An approval with its amount, in the unit of the field or else of the requests."""
    if amount is None:
        return PatternData(outcome="approved")
    usual = pays.usual_unit if pays is not None else None
    return PatternData(
        outcome="approved", amount=amount.field, unit=amount.unit or usual or "decimal"
    )


def _pattern(declared: Pattern, data: PatternData) -> PatternData:
    return replace(
        data,
        statuses=declared.status or (),
        where=declared.where,
        headers=declared.headers,
        contains=declared.contains or "",
    )


def _look(declared: OpenedPage) -> RequestTemplate:
    return RequestTemplate(method="GET", path=declared.get, headers=declared.headers)


def _request(declared: PayRequest) -> RequestTemplate:
    plain = RequestTemplate(method=declared.method, path=declared.path, headers=declared.headers)
    if declared.form is not None:
        return replace(plain, kind="form", content=declared.form)
    if declared.body is not None:
        return replace(plain, kind="body", content=declared.body)
    if "json_" in declared.model_fields_set:
        return replace(plain, kind="json", content=declared.json_)
    return plain
