"""paychain docs: the pages that messages and reports cite, also where only a wheel is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from paychain.cli import names
from paychain.cli.say import say
from paychain.payments.errors import UserError, meant

MAX_WIDTH = 100  # longer lines are hard to read


def docs(
    page: Annotated[
        str | None,
        typer.Argument(
            metavar="PAGE", help="default: the list of all pages", autocompletion=names.pages
        ),
    ] = None,
    section: Annotated[
        list[str] | None,
        typer.Argument(metavar="SECTION", help="number or words of a heading; default: all of it"),
    ] = None,
) -> None:
    """Print a page of the documentation of this version, or one section of it.

    Words that are in no heading are searched for in the page. A link of a page is understood as it
    stands: load.md#many-machines. A terminal shows the page laid out, a pipe or file gets Markdown.

    Example: paychain docs measures double charge
    """
    from paychain.model.pages import pages, part, title

    known = pages()
    if page is None:
        width = max(map(len, known), default=0)
        for name, path in known.items():
            if path.suffix == ".md":
                say(f"{name:<{width}}  {title(path.read_text('utf-8'))}")
        return
    page, _, anchor = page.partition("#")
    name = _name(page)
    if name not in known:
        raise UserError(f"there is no page '{page}'", hint=meant(name, known))
    text = known[name].read_text("utf-8")
    if words := " ".join(filter(None, (anchor, *(section or ())))):
        text = part(text, words)
        if not text:
            hint = f"paychain docs {name} prints all of it"
            raise UserError(f"the page '{name}' has nothing about '{words}'", hint=hint)
    if sys.stdout.isatty() and known[name].suffix == ".md":
        _lay_out(text, name)
    else:
        print(text.rstrip("\n"))


def _lay_out(text: str, name: str) -> None:
    """For a terminal: no line is longer than it is wide, not even of a table."""
    from rich.console import Console
    from rich.markdown import Markdown

    from paychain.model.pages import links_as_commands

    console = Console()
    console.width = min(console.width, MAX_WIDTH)
    console.print(Markdown(links_as_commands(text, name), hyperlinks=False))


def _name(page: str) -> str:
    """`docs/domain.md` is the page `domain`, and so is `domain.md`."""
    return Path(page.removeprefix("docs/")).name.removesuffix(".md")
