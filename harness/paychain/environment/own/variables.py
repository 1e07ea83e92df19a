"""What an own service learns when it starts: where to listen and where its hops begin. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from paychain.model.chain import Chain
from paychain.model.own_services import secrets_shared_with
from paychain.model.placeholders import FOLDER, SECRET, ServicePlaceholder, fill
from paychain.services.state.webhooks import webhook_secret

Address = tuple[str, int]


@dataclass(frozen=True)
class Addresses:
    """Where one service listens, and the near end of its hop to each link that it calls."""

    own: Address
    folder: str  # of its own, empty when it starts
    near: Mapping[str, Address]  # by link
    secrets: Mapping[str, str] = field(default_factory=dict)  # by the link that shares it
    secure: Set[str] = frozenset()  # links whose near end speaks TLS
    trust: Mapping[str, str] = field(default_factory=dict)  # variables of TLS and of a proxy

    def value_of(self, placeholder: ServicePlaceholder) -> str:
        """What stands in a placeholder's place, in a chain that was checked."""
        if placeholder.kind == SECRET:
            assert placeholder.link is not None
            return self.secrets[placeholder.link]
        if placeholder.kind == FOLDER:
            return self.folder
        host, port = self.own if placeholder.link is None else self.near[placeholder.link]
        match placeholder.kind:
            case "host":
                return host
            case "port":
                return str(port)
            case _:
                assert placeholder.link is not None  # {url} alone is not a placeholder
                return self.url_of(placeholder.link)

    def url_of(self, link: str) -> str:
        """The near end of the hop to a link."""
        host, port = self.near[link]
        return f"http{'s' if link in self.secure else ''}://{host}:{port}"

    def filled(self, text: str) -> str:
        """A text with the value of each placeholder in its place."""
        return fill(text, self.value_of)


def near_ends(chain: Chain, link: str, of_hops: Mapping[str, Address]) -> dict[str, Address]:
    """The near end of a service's hop to each link that it calls. `of_hops`: by hop."""
    return {hop.callee: of_hops[hop.name] for hop in chain.hops() if hop.caller == link}


def webhook_secrets(chain: Chain, link: str, seed: int) -> dict[str, str]:
    """The secrets that a service shares with other links: most sign their webhooks with them."""
    shared = secrets_shared_with(chain, link)
    return {name: webhook_secret(chain, name, seed) for name in shared}


def variables(chain: Chain, link: str, addresses: Addresses) -> dict[str, str]:
    """The variables that a service gets beside those of our own environment.

    `PAYCHAIN_URL_<LINK>`, `PAYCHAIN_URL_<CALL>_<LINK>` and `PAYCHAIN_WEBHOOK_SECRET_<LINK>` are
    there without being asked for, so that a wrapper script can map them. What the chain's file
    declares under `env` comes last.
    """
    service = chain.links[link].service
    assert service is not None
    host, port = addresses.own
    found = {"PORT": str(port), "HOST": host}
    for operation, call in chain.calls_of(link).items():
        for target in call.targets:
            url = addresses.url_of(target)
            found[f"PAYCHAIN_URL_{_upper(target)}"] = url
            found[f"PAYCHAIN_URL_{_upper(operation)}_{_upper(target)}"] = url
    for sender, secret in addresses.secrets.items():
        found[f"PAYCHAIN_WEBHOOK_SECRET_{_upper(sender)}"] = secret
    found |= addresses.trust
    return found | {name: addresses.filled(value) for name, value in service.env.items()}


def telemetry(link: str, url: str) -> dict[str, str]:
    """The variables by which OpenTelemetry's SDKs send traces to `url`, and nothing else."""
    return {
        "OTEL_SERVICE_NAME": link,
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_PROPAGATORS": "tracecontext,baggage",
        "OTEL_BSP_SCHEDULE_DELAY": "300",  # ms: a run waits for no longer
    }


def _upper(name: str) -> str:
    """`PROCESSOR_A` for `processor-a`."""
    return name.upper().replace("-", "_")
