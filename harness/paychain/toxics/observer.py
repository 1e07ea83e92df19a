"""Reads HTTP/1.1 beside the bytes of a connection, and records each exchange on it.

    client ──> ObservedEndpoint ──> …toxics… ──> upstream
                    │ requested()
                    v
               Observer ──> HttpExchange records
                    ^
                    │ answered()
    client <── Tap ──────────── …toxics… <────── upstream

It sees what the client sends when it sends it, and what reaches the client once all toxics have
acted on it: the hop as its caller sees it. It never changes, delays or refuses a byte, keeps a
bounded part of a request, and gives up on a connection whose bytes are not HTTP/1.1 (TLS, HTTP/2).
What it cannot see is a connection that was never accepted: while nothing listens, the operating
system refuses it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any

import httptools

from paychain.payments.attribution import PaymentIds
from paychain.payments.exchanges import EndedBy, HttpExchange
from paychain.toxics.evidence import NOTHING, evidence_of
from paychain.wire.http import origin_form

MAX_KEPT = 32_768  # bytes kept of a request while it comes: references are near its beginning
MAX_OPEN = 64  # requests of a connection without an answer; no client sends that many ahead
_AHEAD = "requests are sent ahead of their answers"
_VERSION = b" HTTP/1.1\r\n"  # a request has it once, unless its body is a request
MAX_LINE = 512  # bytes kept of a request's first line

_TLS = b"\x16\x03"  # how a TLS handshake begins
RUN_IS_OVER = "the run is over"  # why the engine cuts what is still open when it is stopped
# Reasons of `Link` that the other side gave; every other one is a toxic's or the engine's.
_BY_CALLEE = frozenset({"ended", "reset by upstream"})
_BY_CLIENT = frozenset({"reset by client"})
_OFFER = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\n(?:content-length|transfer-encoding):", re.IGNORECASE)


class _Open:
    """An exchange that is not over. Times are those of the observer's clock."""

    __slots__ = ("kept", "number", "rest", "sent_ns", "started_ns", "toxics")

    def __init__(self, number: int, started_ns: int, toxics: str) -> None:
        self.number = number
        self.started_ns = started_ns
        self.sent_ns = 0
        self.toxics = toxics
        self.kept = b""  # the first bytes of the request
        self.rest: list[bytes] | None = None  # what came later of it

    def add(self, data: bytes) -> None:
        """Keep more of the request, up to MAX_KEPT."""
        if not self.kept:
            self.kept = data if len(data) <= MAX_KEPT else data[:MAX_KEPT]
            return
        if self.rest is None:
            self.rest = []
        room = MAX_KEPT - len(self.kept) - sum(map(len, self.rest))
        if room > 0:
            self.rest.append(data[:room])

    @property
    def request(self) -> bytes:
        """What is kept of it."""
        return self.kept if self.rest is None else self.kept + b"".join(self.rest)


class _Whole:
    """A request that came in one piece and that no parser has seen; the newest of a connection."""

    __slots__ = ("is_answered", "number", "request", "started_ns", "toxics")

    def __init__(self) -> None:
        self.request = b""
        self.number = 0
        self.started_ns = 0
        self.toxics = ""
        self.is_answered = True


class ProxyFaults:
    """What is switched on at a proxy. `toxics`: their names, separated by blanks."""

    __slots__ = ("toxics",)

    def __init__(self) -> None:
        self.toxics = ""


class Observer:
    """Reads one client connection of an observed hop.

    `record` takes each exchange that is over. `now_ns`: a clock, which shows `epoch_ns` at the
    run's epoch. `gave_up` is called once, with the reason, when the bytes cannot be read; what was
    read until then is recorded. `is_blind`: see `Observation`.

    Every byte of a hop waits for what is done here. So a request that comes in one piece, after
    the answer to the one before, is not parsed: whatever is sent until its answer is its own. It is
    kept as it came, for the case that more of it comes, or that it is never answered.
    """

    def __init__(
        self,
        hop: str,
        connection: int,
        ids: PaymentIds,
        *,
        record: Callable[[HttpExchange], None],
        now_ns: Callable[[], int],
        switched: ProxyFaults,
        gave_up: Callable[[str], None],
        epoch_ns: int = 0,
        is_blind: bool = False,
    ) -> None:
        self.port = 0  # of the engine on its connection to the callee
        self._hop, self._connection, self._ids = hop, connection, ids
        self.now_ns, self._epoch_ns = now_ns, epoch_ns
        self._record, self._switched, self._gave_up = record, switched, gave_up
        self._is_blind = is_blind
        self._is_over = False  # the connection is, or nothing of it is read any more
        self._now = 0  # when the bytes came that are read now
        self._requests = 0
        self._open: deque[_Open] = deque()
        self._whole: _Whole | None = None  # the newest request, when no parser has seen it
        self._line = b" "  # a request's first line without its end; and its words
        self._words = ("", "")
        self._reading: _Open | None = None  # the request whose bytes come
        self._answers = _Answers(self._answer_complete)
        self._read_request: Any = httptools.HttpRequestParser(self).feed_data
        self._read_answer: Any = self._answers.parser.feed_data

    def requested(self, data: bytes, at_ns: int) -> None:
        """The client has sent bytes, which arrived at `at_ns`."""
        if self._is_over:
            return
        whole = self._whole
        if (
            self._requests
            and not self._open
            and (whole is None or whole.is_answered)
            and len(data) <= MAX_KEPT
            and (data.startswith(self._line) or data.count(_VERSION) == 1)
        ):
            self._requests += 1
            if whole is None:
                self._whole = whole = _Whole()
            whole.request, whole.number, whole.started_ns = data, self._requests, at_ns
            whole.toxics, whole.is_answered = self._switched.toxics, False
        elif whole is None or self._parse_whole(whole):
            self._parse(data, at_ns)

    def _parse_whole(self, whole: _Whole) -> bool:
        """Let the parser see what it has not; whether it could read it."""
        self._whole = None
        self._requests -= 1
        if self._parse(whole.request, whole.started_ns):
            newest = self._open[-1]
            newest.toxics = whole.toxics
            if whole.is_answered:  # before all of it had come
                self._open.pop()
        return not self._is_over

    def _parse(self, data: bytes, at_ns: int) -> bool:
        """Read bytes of the client that came at `at_ns`; whether that began one request."""
        self._now = at_ns
        reading, before = self._reading, self._requests
        try:
            try:
                self._read_request(data)
            except httptools.HttpParserUpgrade as offer:
                self._read_on(data, *offer.args)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._give_up("TLS" if data.startswith(_TLS) else _reason(error))
            return False
        # A client that waits for each answer sends one request at a time, so that the bytes are
        # its own. What a client sends ahead is not taken apart.
        begun = self._requests - before
        if begun + (reading is not None) > 1:
            self._give_up(_AHEAD)
            return False
        if reading is not None:
            reading.add(data)
        elif begun:
            self._open[-1].add(data)
        return begun == 1

    def _read_on(self, data: bytes, length: int) -> None:
        """Read on after the head of a request, of which `length` bytes are in `data`.

        It offers another protocol, and the parser stops there. Who does not take the offer answers
        as if there was none (RFC 9110 §7.8); the answer of who does is the last that is read.
        """
        offering = self._open.pop()
        self._requests -= 1
        head = offering.request + data[:length]
        self._read_request = httptools.HttpRequestParser(self).feed_data
        self._read_request(_OFFER.sub(b"", head) + data[length:])
        again = self._open[-1]
        offering.sent_ns = again.sent_ns
        self._open[-1] = offering
        if self._reading is again:
            self._reading = offering

    def answered(self, data: bytes) -> None:
        """Bytes have left for the client."""
        if self._is_over:
            return
        self._now = self.now_ns()
        answers = self._answers
        if answers.head is None:
            answers.head = data
        try:
            self._read_answer(data)
        except httptools.HttpParserUpgrade:
            self._give_up("another protocol was agreed on")
        except httptools.HttpParserError as error:
            now_ns = self._now
            self._open_whole()
            if self._open:
                self._end(self._open.popleft(), "garbage", now_ns)
            self._give_up(f"an answer is not HTTP/1.1: {_reason(error)}")

    def client_left(self) -> None:
        """The client has ended its side, or is gone. It waits for no answer any more."""
        self._end_all("client")

    def server_closed(self) -> None:
        """The callee has ended its side, and that has reached the client."""
        if self._is_over:
            return
        self._open_whole()
        # Without a length the end of the connection is the end of the answer (RFC 9112 §6.3).
        if self._open and self._answers.is_until_closed:
            self._now = self.now_ns()
            self._answer_complete(self._answers.parser.get_status_code())
        self._end_all("server")

    def cut(self, reason: str) -> None:
        """The engine has ended the connection, for a reason of `Link` or `Proxy`."""
        if reason in _BY_CALLEE:
            self.server_closed()
        elif reason in _BY_CLIENT:
            self.client_left()
        else:
            self._end_all("run" if reason == RUN_IS_OVER else "engine")

    def _end_all(self, ended_by: EndedBy) -> None:
        now_ns = self.now_ns()
        self._open_whole()
        if self._is_over:
            return
        while self._open:
            self._end(self._open.popleft(), ended_by, now_ns)
        self._stop_reading()

    def _open_whole(self) -> None:
        """A request that was to be answered will not be: from now on it is as any other."""
        if self._whole is not None and not self._whole.is_answered:
            self._parse_whole(self._whole)

    def _give_up(self, reason: str) -> None:
        if self._is_over:
            return
        self._open.clear()
        self._stop_reading()
        self._gave_up(reason)

    def _stop_reading(self) -> None:
        """Nothing more is read; parsers and what they report to hold each other no longer."""
        self._is_over = True
        self._whole = None
        self._read_request = self._read_answer = self._answers.parser = None

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        if len(self._open) >= MAX_OPEN:
            raise ValueError("too many requests without an answer")
        self._requests += 1
        self._reading = began = _Open(self._requests, self._now, self._switched.toxics)
        self._open.append(began)

    def on_message_complete(self) -> None:
        """Its last byte."""
        if self._reading is not None:
            self._reading.sent_ns = self._now
            self._reading = None

    def _answer_complete(self, status: int) -> None:
        """An answer is complete. One that no request waits for (a duplicate) belongs to none."""
        whole = self._whole
        if whole is not None and not whole.is_answered:
            whole.is_answered = True
            self._write(whole, whole.started_ns, "answer", self._now, status)
        elif self._open:
            self._end(self._open.popleft(), "answer", self._now, status)
        elif whole is not None and whole.request.count(_VERSION) > 1:
            self._give_up(_AHEAD)

    def _end(self, over: _Open, ended_by: EndedBy, now_ns: int, status: int = 0) -> None:
        self._write(over, over.sent_ns, ended_by, now_ns, status)

    def _write(
        self, over: _Open | _Whole, sent_ns: int, ended_by: EndedBy, now_ns: int, status: int
    ) -> None:
        request = over.request
        if not request.startswith(self._line):
            words = request[:MAX_LINE].split(b" ", 2)
            first, second = (words[0], words[1]) if len(words) > 2 else (b"", b"")
            self._line = b"%b %b " % (first, second)
            self._words = (first.decode("latin-1"), origin_form(second.decode("latin-1"))[0])
        # What was answered, the link has seen, too, and knows better what it was about.
        is_known = ended_by == "answer" and not self._is_blind
        shown = NOTHING if is_known else evidence_of(request, self._ids)
        toxics, now_on = over.toxics, self._switched.toxics
        method, target = self._words
        epoch_ns = self._epoch_ns
        self._record(
            # By position, in the order of the fields: names would take five times as long.
            HttpExchange(
                self._hop,
                self._connection,
                over.number,
                self.port,
                over.started_ns - epoch_ns,
                sent_ns - epoch_ns if sent_ns else 0,
                now_ns - epoch_ns,
                method,
                target,
                status,
                ended_by,
                toxics if toxics == now_on else _united(toxics, now_on),
                shown.payment,
                shown.by,
                shown.key,
                shown.hints,
            )
        )


class _Answers:
    """What httptools reports of answers. `complete` gets the status of each that is whole."""

    def __init__(self, complete: Callable[[int], None]) -> None:
        self.parser: Any = httptools.HttpResponseParser(self)
        self.head: bytes | None = None  # the first bytes of the answer that comes
        self._complete = complete

    @property
    def is_until_closed(self) -> bool:
        """An answer has begun that ends with its connection: its head gives no length."""
        head = self.head
        return head is not None and b"\r\n\r\n" in head and not _LENGTH.search(head)

    def on_message_complete(self) -> None:
        """An answer is whole, unless it only announces another one (RFC 9110 §15.2)."""
        status, self.head = self.parser.get_status_code(), None
        if status >= 200:
            self._complete(status)


def _reason(error: Exception) -> str:
    cause = error.__context__ or error
    return str(cause) or type(cause).__name__


def _united(some: str, others: str) -> str:
    return " ".join(dict.fromkeys([*some.split(), *others.split()]))
