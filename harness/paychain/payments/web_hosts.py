"""The hosts of providers: by name, or by a pattern such as `*.adyen.com`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

Found = TypeVar("Found")


def of_host(host: str, found: Mapping[str, Found]) -> Found | None:
    """What is found for a host; None for one that no name and no pattern fits.

    A pattern is for names of any depth: `*.paypal.com` for `api-m.sandbox.paypal.com`, too.
    """
    if host in found:
        return found[host]
    domain = host
    while domain:
        _, _, domain = domain.partition(".")
        if f"*.{domain}" in found:
            return found[f"*.{domain}"]
    return None


def is_vendors(host: str, hosts: Iterable[str]) -> bool:
    """Whether a host, with or without a port, is one of a vendor's own, and not a link's name."""
    return of_host(host.partition(":")[0], dict.fromkeys(hosts, True)) is not None
