"""What the engine has done, for Prometheus: the original's metrics, live, and ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from harness.toxics.proxy import Proxy

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
MOST_RETIRED = 10_000  # label sets of proxies that are gone
_OURS = {
    "paychain_connections_total": "Connections accepted.",
    "paychain_connections_open": "Connections that stand now.",
    "paychain_connections_refused_total": "Connections accepted and reset at once.",
    "paychain_dials_failed_total": "Upstream connections that could not be made.",
    "paychain_toxic_connections_total": "Connections a toxic was put on.",
    "paychain_toxic_hits_total": "Chunks, ends and connections a toxic acted on.",
    "paychain_toxic_bytes_total": "Bytes in the chunks a toxic acted on.",
    "paychain_events_total": "Events put on record.",
}

Labels = tuple[tuple[str, str], ...]
Moved = Counter[tuple[str, ...]]  # bytes by proxy, direction, listen, upstream


class Traffic:
    """Bytes moved by proxies, those that are gone included: a counter must not go back."""

    def __init__(self) -> None:
        self.received: Moved = Counter()
        self.sent: Moved = Counter()

    def add(self, proxy: Proxy) -> None:
        """Count what a proxy moved until now; the oldest label sets make room."""
        for kept, moved in zip((self.received, self.sent), proxy.traffic(), strict=True):
            for label, size in moved.items():
                kept[(proxy.name, *label)] += size
            while len(kept) > MOST_RETIRED:
                del kept[next(iter(kept))]

    def with_live(self, proxies: Iterable[Proxy]) -> Traffic:
        """The same, and what these proxies moved."""
        all_of_it = Traffic()
        all_of_it.received, all_of_it.sent = Counter(self.received), Counter(self.sent)
        for proxy in proxies:
            all_of_it.add(proxy)
        return all_of_it


def exposition(proxies: list[Proxy], gone: Traffic, events: int) -> str:
    """All metrics in Prometheus' text format."""
    traffic = gone.with_live(proxies)
    lines: list[str] = []
    for name, moved in (("received", traffic.received), ("sent", traffic.sent)):
        series = {_traffic_labels(*key): size for key, size in sorted(moved.items())}
        lines += _family(f"toxiproxy_proxy_{name}_bytes_total", "", series)
    own: dict[str, dict[Labels, int]] = {name: {} for name in _OURS}
    for proxy in proxies:
        of_proxy = (("proxy", proxy.name),)
        own["paychain_connections_total"][of_proxy] = proxy.accepted
        own["paychain_connections_open"][of_proxy] = proxy.live
        own["paychain_connections_refused_total"][of_proxy] = proxy.refused
        own["paychain_dials_failed_total"][of_proxy] = proxy.dials_failed
        for toxic in proxy.toxics:
            of_toxic = (
                *of_proxy, ("stream", toxic.direction), ("toxic", toxic.name), ("type", toxic.type),
            )  # fmt: skip
            for what, count in toxic.counted().items():
                own[f"paychain_toxic_{what}_total"][of_toxic] = count
    own["paychain_events_total"][()] = events
    for name, help_text in _OURS.items():
        lines += _family(name, help_text, own[name])
    return "\n".join(lines) + "\n"


def _traffic_labels(proxy: str, direction: str, listen: str, upstream: str) -> Labels:
    return (("direction", direction), ("listener", listen), ("proxy", proxy),
            ("upstream", upstream))  # fmt: skip


def _family(name: str, help_text: str, series: dict[Labels, int]) -> list[str]:
    if not series:
        return []
    kind = "gauge" if name.endswith("_open") else "counter"
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]
    for labels, value in series.items():
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
        lines.append(f"{name}{{{inside}}} {value}" if inside else f"{name} {value}")
    return lines


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
