"""paychain show: what is known of one thing, in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from harness.report.result import Story


class _ChainUnlessNamed(TyperGroup):
    """`paychain show CHAIN` is short for `paychain show chain CHAIN`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["chain", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_ChainUnlessNamed, help="Show a chain, or one payment of a run.", no_args_is_help=True
)


@app.command("chain")
def chain(
    name: Annotated[str, typer.Argument(metavar="CHAIN", help="a chain, by name or file")],
    svg: Annotated[Path | None, typer.Option(help="draw it into this file")] = None,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="print a Mermaid chart")] = False,
) -> None:
    """Show a chain as a tree with its providers, its single points of failure and its review.

    Example: paychain show card-ecommerce
    """
    from harness.model.loading import load_chain
    from harness.model.review import review
    from harness.payments.errors import UserError
    from harness.report.chain_mermaid import chain_mermaid
    from harness.report.chain_plan import chain_plan
    from harness.report.chain_tree import chain_lines

    loaded = load_chain(name)
    findings = review(loaded)
    if svg is not None:
        try:
            svg.write_text(chain_plan(loaded.model, findings), "utf-8")
        except OSError as error:
            raise UserError(f"cannot write {svg}: {error.strerror}") from None
        print(f"drawn: {svg}")
    elif mermaid:
        print(chain_mermaid(loaded.model, findings), end="")
    else:
        print("\n".join(chain_lines(loaded.model, findings)))


@app.command("payment")
def payment(
    run: Annotated[Path, typer.Argument(help="a run directory")],
    name: Annotated[str, typer.Argument(metavar="ID", help="a payment, such as p0000042")],
    json: Annotated[bool, typer.Option("--json", help="print the story as JSON")] = False,
) -> None:
    """Tell one payment's story: every call, decision and money movement, and what was told.

    Example: paychain show payment reports/20261123T200000Z-card-ecommerce-steady p0000042
    """
    import sqlite3

    import msgspec

    from harness.analysis.store import RunStore
    from harness.payments.errors import UserError
    from harness.report.story import tell

    try:
        store = RunStore.open(run / "run.db")
        recorded = store.story(name)
        one_in = store.meta("kept_one_in", 1)
    except sqlite3.Error as error:
        raise UserError(f"no run.db can be read in {run}: {error}",
                        mend="name a run directory") from None  # fmt: skip
    told = tell(recorded)
    if told is None:
        mend = "ids look like p0000042"
        if one_in > 1:
            mend = f"of payments with nothing to tell, this long run kept one in {one_in}"
        raise UserError(f"no payment '{name}' in {run}", mend=mend)
    if json:
        print(msgspec.json.encode(told).decode())
    else:
        print("\n".join(lines(told)))


def lines(story: Story) -> list[str]:
    """The story as a terminal shows it: one line per moment, bad ones marked."""
    found = [f"{story.payment}: {story.why}; {story.text}", f"card {story.card}", ""]
    for one in story.moments:
        lasted = f" ({one.until_ms - one.at_ms:.1f} ms)" if one.until_ms is not None else ""
        mark = "✗" if one.is_bad else " "
        found.append(f"{one.at_ms:10.1f} ms {mark} {one.link:<16} {one.text}{lasted}")
    if story.left_out:
        found.append(f"… and {story.left_out} more")
    return found
