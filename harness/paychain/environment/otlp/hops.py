"""What a client span says of a hop, as the record that the fault engine makes of one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from paychain.environment.otlp.receiver import SpanReceiver
from paychain.environment.otlp.spans import ClientSpan
from paychain.environment.own.tls_ends import TlsEnds
from paychain.environment.own.variables import Address
from paychain.model.chain import Chain
from paychain.model.own_services import observed_hops
from paychain.payments.attribution import PaymentIds
from paychain.payments.exchanges import TRACED, EndedBy, HttpExchange
from paychain.payments.web_addresses import split_address
from paychain.payments.web_hosts import of_host
from paychain.payments.whole_number import whole_number
from paychain.services.vendor_declared import hosts_of

# What exceptions of HTTP clients say when no connection was made, or none in time: nothing was
# sent. Python, Node, Go, Java, .NET.
_REFUSED = re.compile(
    r"refused|NewConnectionError|ConnectError|ConnectTimeout|connect timeout|ConnectException"
    r"|dial tcp|ENOTFOUND|EAI_AGAIN|getaddrinfo|NameResolution|UnknownHost|no route to host",
    re.IGNORECASE,
)
_TIMEOUT = re.compile(r"time[d _-]?out|ETIMEDOUT|deadline|AbortError|cancell?ed", re.IGNORECASE)


def receive_traces(
    chain: Chain,
    near: Mapping[str, Address],
    ends: TlsEnds,
    ids: PaymentIds,
    now_ns: Callable[[], int],
) -> SpanReceiver | None:
    """Listen for the traces of a chain's own services; None when none is to send any.

    `near`: the near end of each hop; `ends`: those that speak TLS.
    """
    own = chain.own_services()
    if not any(service.telemetry for service in own.values()):
        return None
    ports: dict[int, str] = {}
    hosts: dict[str, str] = {}
    for hop in observed_hops(chain):
        ports[near[hop.name][1]] = hop.name
        secure = ends.near(hop.caller).get(hop.callee)
        if secure is not None:
            ports[secure[1]] = hop.name
        if hop.caller in own and own[hop.caller].proxy:
            hosts |= dict.fromkeys(hosts_of(chain.links[hop.callee]), hop.name)
    receiver = SpanReceiver()
    receiver.exchange = TracedHops(ids, ports, hosts, now_ns, time.time_ns).exchange
    return receiver


class TracedHops:
    """Knows which hop a call of an own service went over.

    `hops`: by the port of the near end. `hosts`: by the providers' own host names, of services that
    reach these through a proxy. `now_ns`: since the run's epoch; `unix_ns`: since 1970.
    """

    def __init__(
        self,
        ids: PaymentIds,
        hops: Mapping[int, str],
        hosts: Mapping[str, str],
        now_ns: Callable[[], int],
        unix_ns: Callable[[], int],
    ) -> None:
        self._ids, self._hops, self._hosts = ids, hops, hosts
        self._epoch_ns = unix_ns() - now_ns()

    def exchange(self, span: ClientSpan) -> HttpExchange | None:
        """The record of a span; None when it is of no payment of this run, or of no hop."""
        payment = self._ids.in_trace(f"00-{span.trace_id}-{span.span_id}-01")
        url = split_address(str(span.attribute("url.full", "http.url")))
        hop = self._hop(span, url.hostname or "", url.netloc)
        if not payment or not hop:
            return None
        path = url.path or str(span.attribute("http.target")) or "/"
        given = str(span.attribute("http.response.status_code", "http.status_code"))
        status = whole_number(given) or 0
        return HttpExchange(
            hop=hop,
            connection=TRACED,
            request=0,
            port=0,
            started_ns=span.started_ns - self._epoch_ns,
            sent_ns=0,
            ended_ns=max(span.started_ns, span.ended_ns) - self._epoch_ns,
            method=str(span.attribute("http.request.method", "http.method")),
            target=f"{path}?{url.query}" if url.query else path,
            status=status,
            ended_by="answer" if status else ended_by(span.error),
            toxics="",
            payment=payment,
            by="trace",
            key="",
            hints=f"{span.span_id} {span.above}",
        )

    def _hop(self, span: ClientSpan, host: str, netloc: str) -> str:
        port = str(span.attribute("server.port", "net.peer.port")) or netloc.rpartition(":")[2]
        found = self._hops.get(whole_number(port) or 0, "")
        name = host or str(span.attribute("server.address", "net.peer.name"))
        return found or of_host(name, self._hosts) or ""


def ended_by(error: str) -> EndedBy:
    """How a call without an answer ended, by what its client says of it."""
    if _REFUSED.search(error):
        return "refused"
    return "client" if _TIMEOUT.search(error) else "server"
