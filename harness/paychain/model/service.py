"""An own service as declared: a link that is the user's process and not a mock.

service ─ how it starts and stops     receives ─ where it takes webhooks
calls ─ whom it calls, and what it claims to do when a call fails (policy.Claims)
"""

from __future__ import annotations

import shlex
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from paychain.declaration.quantity import Span
from paychain.declaration.schema import Declared
from paychain.payments.web_addresses import split_address

READY_WITHIN_S = 60.0  # as long as Testcontainers waits
STOP_WITHIN_S = 10.0  # as long as docker stop waits
MAX_WORDS = 1_000  # of one command
MAX_LINK_PORTS = 100  # as many as a chain has links
Port = Annotated[int, Field(ge=1, le=65_535)]
Signal = Literal["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "KILL"]


def _words(value: Any) -> Any:
    """A command as a list of words; a text is split as a shell splits it."""
    if not isinstance(value, str):
        return value
    try:
        words = shlex.split(value)
    except ValueError:
        raise ValueError(f"'{value}' has a quote without its other half; close it") from None
    if not words:
        raise ValueError("the command is empty; write one such as [npm, start]")
    return words


Command = Annotated[
    list[str],
    Field(min_length=1, max_length=MAX_WORDS),
    BeforeValidator(_words),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ],
            "examples": ["npm start"],
        }
    ),
]


def _path(value: Any) -> Any:
    """A path of a URL."""
    text = str(value)
    if not text.startswith("/") or any(character.isspace() for character in text):
        raise ValueError(f"'{value}' is not a path; write one such as /health")
    return text


Path = Annotated[
    str, BeforeValidator(_path), WithJsonSchema({"type": "string", "pattern": "^/[^ ]*$"})
]


def _address(value: Any) -> Any:
    """`http://127.0.0.1:8080`: where a service listens that runs already."""
    text = str(value)
    hint = "write one such as http://127.0.0.1:8080"
    parts = split_address(text)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"'{value}' is not an http URL; {hint}")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise ValueError(f"'{value}' is more than a host and a port; {hint}")
    return f"http://{parts.hostname}:{parts.port or 80}"


Address = Annotated[
    str,
    BeforeValidator(_address),
    WithJsonSchema(
        {"type": "string", "pattern": "^http://", "examples": ["http://127.0.0.1:8080"]}
    ),
]


class Ready(Declared):
    """When a service counts as started: exactly one of these, or that its port is open."""

    http: Annotated[
        Path | None, Field(description="GET of this path answers with a status of 200 to 399.")
    ] = None
    port: Annotated[
        bool | None, Field(description="true: its port accepts a connection, as without `ready`.")
    ] = None
    log: Annotated[
        str | None, Field(min_length=1, description="A line of its output contains this text.")
    ] = None
    command: Annotated[
        Command | None, Field(description="A command, in its folder, ends with exit code 0.")
    ] = None
    within: Annotated[
        Span, Field(description="How long it may take; a service that takes longer is stopped.")
    ] = READY_WITHIN_S

    @model_validator(mode="after")
    def _one_sign(self) -> Self:
        given = [key for key in ("http", "port", "log", "command") if getattr(self, key)]
        if self.port is False:
            raise ValueError("port: false has no effect; remove it")
        if len(given) > 1:
            raise ValueError(f"ready has {' and '.join(given)}; give one of them")
        return self


class Stop(Declared):
    """How a service is asked to stop: its whole process group gets the signal."""

    signal: Annotated[
        Signal, Field(description="The signal that asks it to stop, without SIG.")
    ] = "TERM"
    within: Annotated[
        Span, Field(description="How long it may take; after that its group gets SIGKILL.")
    ] = STOP_WITHIN_S


class OwnService(Declared):
    """The user's process in the place of a mock: `command`, `url` or `app`, exactly one of them.

    It learns in `PORT` and `HOST` where to listen, and in `PAYCHAIN_URL_…` where each link that it
    calls is. In `command`, `env`, `before` and `ready` stand `{port}`, `{host}` and, for each link
    that it calls, `{url:LINK}`, `{host:LINK}`, `{port:LINK}`.
    """

    command: Annotated[
        Command | None,
        Field(description="Starts it: a list of words, or a text split as by a shell."),
    ] = None
    url: Annotated[
        Address | None,
        Field(description="Where it listens: it runs already, and is neither started nor stopped."),
    ] = None
    app: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$",
            description="An ASGI application, `package.module:name`, which uvicorn runs; in "
            "virtual time, too.",
        ),
    ] = None
    cwd: Annotated[str, Field(description="Its working folder, relative to the chain's file.")] = (
        "."
    )
    env: Annotated[
        dict[str, str],
        Field(max_length=1_000, description="Variables of its environment beside paychain's own."),
    ] = {}
    port: Annotated[
        Port | None, Field(description="Where it listens; without it, a free port.")
    ] = None
    ports: Annotated[
        dict[str, Port],
        Field(
            max_length=MAX_LINK_PORTS,
            description="Fixed ports at which it reaches links, by link, for a service that cannot "
            "be given another address at each run.",
        ),
    ] = {}
    proxy: Annotated[
        bool,
        Field(
            description="HTTPS_PROXY routes the host names of payment providers, such as "
            "api.stripe.com, to the links that speak their dialects: for services whose addresses "
            "cannot be changed."
        ),
    ] = False
    telemetry: Annotated[
        bool,
        Field(
            description="It gets an address for its OpenTelemetry traces (OTLP over HTTP): its "
            "client spans show calls that nobody else sees, such as refused connections."
        ),
    ] = False
    ready: Annotated[Ready, Field(description="When it counts as started.")] = Ready()
    before: Annotated[
        list[Command],
        Field(max_length=100, description="Commands that run once, in order, before it starts."),
    ] = []
    stop: Annotated[Stop, Field(description="How it is asked to stop.")] = Stop()
    restart: Annotated[
        Literal["never", "always"],
        Field(
            description="Whether it is started again when it exits on its own; the run fails all "
            "the same."
        ),
    ] = "never"

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = [key for key in ("command", "url", "app") if getattr(self, key) is not None]
        if len(forms) != 1:
            what = "has no command" if not forms else f"has {' and '.join(forms)}"
            raise ValueError(f"the service {what}; give exactly one of command, url and app")
        if self.url is None:
            return self
        # Keys of a process have no effect without one.
        for key in ("cwd", "env", "port", "proxy", "telemetry", "before", "stop", "restart"):
            if key in self.model_fields_set:
                raise ValueError(f"a service with url: runs already; remove {key}:")
        if self.ready.log is not None:
            raise ValueError(
                "paychain does not see the output of a service with url:; use ready: {http: …}"
            )
        return self

    @property
    def is_started(self) -> bool:
        """Whether the run starts its process: with `url` it runs already."""
        return self.url is None

    @property
    def form(self) -> str:
        """`npm start`, `http://127.0.0.1:8080`, `shop.app:app`: what it is, for a reader."""
        return shlex.join(self.command) if self.command is not None else self.url or self.app or ""


class Receives(Declared):
    """Where an own service takes the webhooks of the mocks that send it some."""

    path: Annotated[
        Path, Field(description="Path of the URL; {link} is the name of the link that sends.")
    ] = "/webhooks/{link}"
    secret: Annotated[
        str | None,
        Field(
            min_length=1, description="Secret that all senders sign with; without it, one for each."
        ),
    ] = None

    def path_of(self, sender: str) -> str:
        """The path for the webhooks of one link."""
        return self.path.replace("{link}", sender)
