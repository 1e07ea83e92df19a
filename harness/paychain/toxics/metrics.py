"""What the engine has done, for Prometheus: Toxiproxy's metrics, live, and ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from paychain.processes.prometheus import escaped
from paychain.toxics.proxy import Proxy

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
MAX_RETIRED = 10_000  # label sets of deleted proxies that are kept
_OURS = {
    "paychain_connections_total": "Connections accepted.",
    "paychain_connections_open": "Connections open now.",
    "paychain_connections_refused_total": "Connections accepted and reset at once.",
    "paychain_dials_failed_total": "Upstream connections that failed.",
    "paychain_toxic_connections_total": "Connections a toxic was active on.",
    "paychain_toxic_hits_total": "Chunks, ends and connections a toxic acted on.",
    "paychain_toxic_bytes_total": "Bytes in the chunks a toxic acted on.",
    "paychain_events_total": "Events recorded.",
}

Labels = tuple[tuple[str, str], ...]
Moved = Counter[tuple[str, ...]]  # bytes by proxy, direction, listen, upstream


class ByteCounts:
    """Bytes moved by proxies, deleted ones included: a counter must never decrease."""

    def __init__(self) -> None:
        self.received: Moved = Counter()
        self.sent: Moved = Counter()

    def add(self, proxy: Proxy) -> None:
        """Count what a proxy moved until now; the oldest label sets are dropped when too many."""
        for kept, moved in zip((self.received, self.sent), proxy.traffic(), strict=True):
            for label, size in moved.items():
                kept[(proxy.name, *label)] += size
            while len(kept) > MAX_RETIRED:
                del kept[next(iter(kept))]

    def with_live(self, proxies: Iterable[Proxy]) -> ByteCounts:
        """These counts and what live proxies moved."""
        total = ByteCounts()
        total.received, total.sent = Counter(self.received), Counter(self.sent)
        for proxy in proxies:
            total.add(proxy)
        return total


def exposition(proxies: list[Proxy], gone: ByteCounts, events: int) -> str:
    """All metrics in Prometheus' text format; `events`: how many were recorded."""
    traffic = gone.with_live(proxies)
    lines: list[str] = []
    for name, moved in (("received", traffic.received), ("sent", traffic.sent)):
        series = {_traffic_labels(*key): size for key, size in sorted(moved.items())}
        lines += _family(f"toxiproxy_proxy_{name}_bytes_total", "", series)
    own: dict[str, dict[Labels, int]] = {name: {} for name in _OURS}
    for proxy in proxies:
        proxy_labels = (("proxy", proxy.name),)
        own["paychain_connections_total"][proxy_labels] = proxy.accepted
        own["paychain_connections_open"][proxy_labels] = proxy.live
        own["paychain_connections_refused_total"][proxy_labels] = proxy.refused
        own["paychain_dials_failed_total"][proxy_labels] = proxy.dials_failed
        for toxic in proxy.toxics:
            toxic_labels = (
                *proxy_labels,
                ("stream", toxic.direction),
                ("toxic", toxic.name),
                ("type", toxic.type),
            )
            for counter, count in toxic.counters().items():
                own[f"paychain_toxic_{counter}_total"][toxic_labels] = count
    own["paychain_events_total"][()] = events
    for name, help_text in _OURS.items():
        lines += _family(name, help_text, own[name])
    return "\n".join(lines) + "\n"


def _traffic_labels(proxy: str, direction: str, listen: str, upstream: str) -> Labels:
    return (
        ("direction", direction),
        ("listener", listen),
        ("proxy", proxy),
        ("upstream", upstream),
    )


def _family(name: str, help_text: str, series: dict[Labels, int]) -> list[str]:
    if not series:
        return []
    kind = "gauge" if name.endswith("_open") else "counter"
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]
    for labels, value in series.items():
        inside = ",".join(f'{key}="{escaped(text)}"' for key, text in labels)
        lines.append(f"{name}{{{inside}}} {value}" if inside else f"{name} {value}")
    return lines
