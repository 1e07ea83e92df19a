"""A try to pay an own service by its template: steps, redirects, cookies, polls.

step 1 ─▶ … ─▶ last step ─▶ approved · declined · rejected            final
                   │ pending
                   ▼
                  look, every so often, until it is final or the customer leaves
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from paychain.load.traffic.doubts import Answers, PaymentDoubts
from paychain.load.traffic.exchange import Got, Send, Step, Try
from paychain.payments.money import share_of
from paychain.payments.outcome import HopResult
from paychain.payments.web_addresses import split_address
from paychain.protocol.message import PaymentRequest
from paychain.protocol.pays.addresses import Address, NoAddress, address_of, location_of
from paychain.protocol.pays.misfits import misfit_of, outcomes_of, shown
from paychain.protocol.pays.outcomes import (
    MAX_QUOTED,
    pending,
    read,
    shortened,
    why_unreadable,
)
from paychain.protocol.pays.requests import (
    Given,
    Unfilled,
    Values,
    address_in,
    base_of,
    page_at,
    written,
)
from paychain.protocol.pays.template import AnswerPattern, PaysTemplate, RequestTemplate
from paychain.protocol.reply import Reply, failure_of
from paychain.protocol.vendor_pages import with_query
from paychain.wire.http import HttpRequest, HttpResponse, MalformedHttp, WireError

MAX_REDIRECTS = 5  # of one step: more is a loop
BUSY = frozenset({408, 425, 429})  # what an overloaded service answers
REDIRECTS = frozenset({301, 302, 303})  # followed by a GET (RFC 9110 §15.4)
REPEATS = frozenset({307, 308})  # followed by the same request
_NEXT_COOKIE = re.compile(r",\s*(?=[^;,\s=]+=)")


class ByTemplate:
    """One try. `doubts` gets what does not fit between the template and the answers."""

    def __init__(self, template: PaysTemplate, attempt: Try, doubts: PaymentDoubts) -> None:
        self._template, self._doubts = template, doubts
        self._values = Values(template, attempt.request, attempt.number)
        self._named_later = Values(template, _as_named(attempt), attempt.number)
        self._lingers_ns = int(attempt.lingers_s * 1e9)
        self._attempt = attempt
        self._answers: list[Given] = []
        self._cookies: dict[str, str] = {}
        self._number = 0  # of the step
        self._redirects = 0
        self._pending: AnswerPattern | None = None  # what the customer waits for
        self._last: Reply | None = None  # of a payment that is not final
        self._tried_ns = self._waits_ns = 0  # when the try, and when the customer's patience end
        self._sent: HttpRequest | None = None
        self._page = ""  # of a provider: host and port of where the customer is, "" at the service
        self._got: HttpResponse | None = None

    def start(self, now_ns: int) -> Step:
        """The first step."""
        attempt = self._attempt
        self._tried_ns = now_ns + int(attempt.timeout_s * 1e9)
        self._waits_ns = max(self._tried_ns, now_ns + int(attempt.patience_s * 1e9))
        if attempt.is_look:
            return self._look(now_ns)
        return self._request(self._template.steps[0], now_ns)

    def _look(self, now_ns: int) -> Step:
        """A customer who comes back looks once, and waits for what is still in progress."""
        template = self._template
        first = template.returns or template.look
        assert first is not None, "a chain whose customers come back says where they look"
        self._number = len(template.steps) - 1
        self._tried_ns = self._waits_ns
        self._pending = AnswerPattern(
            outcome="pending", look=template.look, every_s=template.look_every_s
        )
        return self._request(first, now_ns)

    def receive(self, got: Got, now_ns: int) -> Step:
        """The next step, the next look, or the payment's outcome."""
        if isinstance(got, WireError):
            self._note_unreadable(got)
            failed = Reply(failure_of(got), why_unreadable(got))
            return failed if self._pending is None else self._look_later(failed, now_ns)
        self._got = got
        if not self._page:
            self._keep_cookies(got)
        is_last = self._number == len(self._template.steps) - 1
        reading = read(self._template, got, self._values, is_last=is_last)
        if reading.problem:
            self._doubts.note(f"{self._template.place}: {reading.problem}")
        if reading.pattern is not None:
            self._answers_in_doubt.understood += 1
            if reading.reply is not None:
                return reading.reply
            return self._wait(reading.pattern, self._given(got, reading.body), now_ns)
        now_ns += self._linger()
        redirect = self._redirect(got, now_ns)
        if redirect is not None:
            return redirect
        # A step before the last accepts any answer but an error.
        if not is_last and got.status < 400:
            self._answers.append(self._given(got, reading.body))
            self._number += 1
            self._redirects = 0
            return self._request(self._template.steps[self._number], now_ns)
        assert reading.reply is not None, "an answer that nothing describes has a reply"
        if self._pending is None:
            self._note_unexpected(got)
            return reading.reply
        step = self._look_later(reading.reply, now_ns)
        # A look may come before there is anything to see: one that is not the last proves nothing.
        if isinstance(step, Reply):
            self._note_unexpected(got)
        return step

    def _linger(self) -> int:
        """How long the customer takes to go on, once; nobody waits for anything meanwhile."""
        lingers_ns, self._lingers_ns = self._lingers_ns, 0
        self._tried_ns += lingers_ns
        self._waits_ns += lingers_ns
        return lingers_ns

    @property
    def _answers_in_doubt(self) -> Answers:
        return self._doubts.paid if self._pending is None else self._doubts.looked

    def _note_unexpected(self, got: HttpResponse) -> None:
        # What a failing service answers is not a mistake in the declaration.
        if got.status >= 500 or got.status in BUSY:
            return
        template, asked = self._template, self._asked
        what = f"no answer to {asked} is {outcomes_of(template)}"
        why = misfit_of(template, got, self._values)
        self._answers_in_doubt.note_unexpected(
            f"{asked} {got.status}", f"{template.place}: {what}; the first: {why}"
        )

    def _note_unreadable(self, error: WireError) -> None:
        """A service that speaks no HTTP proves nothing; one that is out of reach may be struck."""
        if isinstance(error, MalformedHttp):
            asked, place = self._asked, self._template.place
            first = shortened(str(error), MAX_QUOTED)
            self._answers_in_doubt.note_unexpected(
                f"{asked} unreadable",
                f"{place}: no answer to {asked} can be read as HTTP; the first: {first}",
            )

    @property
    def _asked(self) -> str:
        """What is waited for, as the template has it: the same for every payment."""
        look = self._pending.look if self._pending is not None else None
        request = look or self._template.steps[self._number]
        return f"{request.method} {request.path}"

    def _wait(self, pattern: AnswerPattern, given: Given, now_ns: int) -> Step:
        """Look again after a pause. The first pending answer has the fields of the look's path."""
        # Who came back by the return page, and has nowhere else to look, looks where it says.
        if self._pending is None or (
            self._pending.look is None and self._can_ask(pattern.look, given)
        ):
            self._pending = pattern
            self._answers.append(given)
        return self._look_later(pending(self._template), now_ns)

    def _can_ask(self, look: RequestTemplate | None, given: Given) -> bool:
        """Whether an answer has all that a look needs of one."""
        try:
            return look is not None and bool(written(look, self._values, "", [given]))
        except Unfilled:
            return False

    def _look_later(self, last: Reply, now_ns: int) -> Step:
        """Look again, or leave with what the last look showed."""
        assert self._pending is not None
        look, at_ns = self._pending.look, now_ns + int(self._pending.every_s * 1e9)
        if look is None or at_ns >= self._waits_ns:
            return last
        self._redirects = 0
        return self._request(look, at_ns)

    def _request(self, request: RequestTemplate, at_ns: int) -> Step:
        try:
            is_first = request is self._template.steps[0]
            values = self._values if is_first else self._named_later
            http = written(request, values, self._attempt.span, self._answers)
            address = address_of(http.target, base_of(request.path, self._answers))
        except (Unfilled, NoAddress) as error:
            text = f"{self._template.place}: {error}"
            given = f"; the answer was {shown(self._got)}" if self._got is not None else ""
            self._answers_in_doubt.note_unexpected(text, text + given)
            return Reply(HopResult.MALFORMED)
        self._page = ""
        if address.host:
            self._page = page_at(self._attempt.entry.pages, address.host)
        # A field may hold an address as a page's link does: relative to the answer that has it.
        if address.host or address_in(request.path):
            http.target = self._target(address)
        return self._send(http, at_ns)

    def _target(self, address: Address) -> str:
        """Path and query of an address. On a provider's page, customers pay with their card."""
        target = address.target
        if self._page and "card=" not in target.partition("?")[2]:
            return with_query(target, {"card": self._values.card_token})
        return target

    def _send(self, http: HttpRequest, at_ns: int) -> Send:
        if self._cookies and not self._page:
            own = http.headers.get("cookie", "")
            kept = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
            http.headers["cookie"] = f"{own}; {kept}" if own else kept
        self._sent = http
        # A service that has accepted the payment is waited for as long as patience lasts.
        until_ns = self._tried_ns if self._pending is None else self._waits_ns
        return Send(http, at_ns, max((until_ns - at_ns) / 1e9, 0.001), self._page)

    def _redirect(self, response: HttpResponse, now_ns: int) -> Step | None:
        """Follow the service to a page of its own or of a provider; None for what leads nowhere."""
        is_redirect = response.status in REDIRECTS | REPEATS
        location, sent = location_of(response), self._sent
        if not is_redirect or not location or self._redirects >= MAX_REDIRECTS:
            return None
        assert sent is not None
        try:
            address = address_of(location, sent.target)
        except NoAddress:
            return None
        entry, host = self._attempt.entry, address.host
        if page := page_at(entry.pages, host):
            self._page = page
        elif host and (self._page or host == split_address(entry.url).netloc):
            # A provider sends the customer back to wherever the service says that it is.
            self._page = ""
        elif host:
            return None
        target = self._target(address)
        self._redirects += 1
        # Cookies are written anew; a GET has no body, and so no type of one.
        own = {"cookie"} if response.status in REPEATS else {"cookie", "content-type"}
        headers = {name: value for name, value in sent.headers.items() if name not in own}
        if response.status in REPEATS:
            again = HttpRequest(sent.method, target, headers, sent.body)
        else:
            again = HttpRequest("GET", target, headers)
        return self._send(again, now_ns)

    def _keep_cookies(self, response: HttpResponse) -> None:
        """The session's cookies: a checkout of several steps knows its customer by them.

        Several Set-Cookie headers are read as one list; their dates have commas, too.
        """
        for cookie in _NEXT_COOKIE.split(response.headers.get("set-cookie", "")):
            name, has_value, value = cookie.partition(";")[0].partition("=")
            if has_value:
                self._cookies[name.strip()] = value.strip()

    def _given(self, response: HttpResponse, body: Any) -> Given:
        """What later requests can take from an answer, whose JSON is `body`."""
        location, sent = location_of(response), self._sent
        assert sent is not None
        with suppress(NoAddress):
            address = address_of(location, sent.target)
            if location and not page_at(self._attempt.entry.pages, address.host):
                location = address.target
        return Given(body, location, sent.target)


def _as_named(attempt: Try) -> PaymentRequest:
    """The payment as requests after the first name it."""
    if attempt.named_share == 1.0:
        return attempt.request
    minor = max(1, share_of(attempt.request.amount_minor, attempt.named_share))
    return replace(attempt.request, amount_minor=minor)
