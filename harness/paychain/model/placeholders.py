"""Placeholders in an own service's command and variables: `{port}`, `{url:processor-a}`.

    {host} {port}                       where the service itself listens
    {folder}                            an empty folder of its own, removed after the run
    {url:LINK} {host:LINK} {port:LINK}  the near end of its hop to a link; also CALL/LINK
    {secret:LINK}                       what a link signs its webhooks with, or its private key

`{{port}}` is the text `{port}`. Whatever else has braces, such as JSON or `${HOME}`, stays as it
is.

Those in a request that pays a service are others (protocol/pays/placeholders.py): they name values
of one payment and fields of an answer, and what follows the colon says how a value is written.
There `$` is a currency's sign and hides nothing; here it begins a variable of the shell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

FOLDER, SECRET = "folder", "secret"
OF_LINKS = ("url", "host", "port", SECRET)
OWN = ("host", "port", FOLDER)  # without a link: the service's own
KINDS = tuple(dict.fromkeys([*OF_LINKS, *OWN]))
_PLACEHOLDER = re.compile(
    r"(?P<literal>\{\{[a-z_]+(?::[^{}]*)?\}\})|(?<!\$)\{(?P<kind>[a-z_]+)(?::(?P<link>[^{}\"\s]*))?\}"
)


@dataclass(frozen=True, slots=True)
class ServicePlaceholder:
    """One placeholder: its kind, and the link that it is for; None: the service itself."""

    kind: str
    call: str | None  # as written before the slash
    link: str | None

    def __str__(self) -> str:
        """As a file writes it: `{url:authorise/processor-a}`."""
        of = "" if self.link is None else f":{self.call + '/' if self.call else ''}{self.link}"
        return f"{{{self.kind}{of}}}"


def placeholders_in(text: str) -> Iterator[ServicePlaceholder]:
    """Every placeholder of a text, known or not, in order."""
    for match in _PLACEHOLDER.finditer(text):
        if match["literal"] is None:
            yield _of(match)


def fill(text: str, value_of: Callable[[ServicePlaceholder], str]) -> str:
    """The text with the value of each placeholder in its place."""
    return _PLACEHOLDER.sub(
        lambda match: match["literal"][1:-1] if match["literal"] else value_of(_of(match)), text
    )


def _of(match: re.Match[str]) -> ServicePlaceholder:
    named = match["link"]
    if named is None:
        return ServicePlaceholder(match["kind"], None, None)
    call, slash, link = named.rpartition("/")
    return ServicePlaceholder(match["kind"], call if slash else None, link)
