"""paychain show: a chain, or one payment of a run, in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paychain.cli.group import CommandGroup
from paychain.cli.options import ChainName, RunFolder
from paychain.cli.reading import reading
from paychain.cli.say import say

if TYPE_CHECKING:
    from paychain.report.result import PaymentTimeline


class _ChainUnlessNamed(CommandGroup):
    """`paychain show CHAIN` is short for `paychain show chain CHAIN`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["chain", *args]
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Commands, and chains: `show CHAIN` is short for `show chain CHAIN`."""
        found = super().shell_complete(ctx, incomplete)
        chain = self.commands["chain"]
        of_chain = next(each for each in chain.params if each.param_type_name == "argument")
        return [*found, *of_chain.shell_complete(ctx, incomplete)]


app = typer.Typer(
    cls=_ChainUnlessNamed, help="Show a chain, or one payment of a run.", no_args_is_help=True
)


@app.command("chain")
def chain(
    name: ChainName,
    svg: Annotated[Path | None, typer.Option(help="write the drawing to this SVG file")] = None,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="print a Mermaid chart")] = False,
) -> None:
    """Show a chain as a tree, with its providers, single points of failure and review findings.

    Example: paychain show card-ecommerce
    """
    from paychain.model.loading import load_chain
    from paychain.model.review import review
    from paychain.payments.errors import UserError
    from paychain.report.drawings.chain_mermaid import chain_mermaid
    from paychain.report.drawings.chain_plan import chain_plan
    from paychain.report.text.chain_tree import chain_lines

    loaded = load_chain(name)
    findings = review(loaded)
    if svg is not None:
        try:
            svg.write_text(chain_plan(loaded.model, findings), "utf-8")
        except OSError as error:
            raise UserError(f"cannot write {svg}: {error.strerror}") from None
        say(f"written: {svg}")
    elif mermaid:
        print(chain_mermaid(loaded.model, findings), end="")
    else:
        say(*chain_lines(loaded.model, findings))


@app.command("payment")
def payment(
    run: RunFolder,
    name: Annotated[str, typer.Argument(metavar="ID", help="id of a payment, e.g. p0000042")],
    json: Annotated[bool, typer.Option("--json", help="print the timeline as JSON")] = False,
) -> None:
    """Show one payment's timeline: every call, decision and money movement.

    Example: paychain show payment reports/20261123T200000Z-3fa91c-shop-steady p0000042
    """
    import msgspec

    from paychain.analysis.store.store import RunStore
    from paychain.payments.errors import UserError
    from paychain.report.text.payment_timeline import timeline_of

    with reading(run):
        store = RunStore.open(run / "run.db")
        timeline = timeline_of(store.story(name))
        one_in = store.kept_one_in
    if timeline is None:
        hint = "ids look like p0000042"
        if one_in > 1:
            hint = f"a run this long keeps only 1 in {one_in} of its uneventful payments"
        raise UserError(f"no payment '{name}' in {run}", hint=hint)
    if json:
        print(msgspec.json.encode(timeline).decode())
    else:
        say(*lines(timeline))


def lines(timeline: PaymentTimeline) -> list[str]:
    """The timeline as a terminal shows it: one line per event, failures marked."""
    from paychain.report.text.wording import instrument_words

    made_with = instrument_words(timeline.card)
    text = [f"{timeline.payment}: {timeline.why}; {timeline.text}", made_with, ""]
    for event in timeline.events:
        mark = "✗" if event.is_bad else " "
        line = f"{event.at_ms:10.1f} ms {mark} {event.link:<16} {event.text}"
        if event.until_ms is not None:
            line += f" ({event.until_ms - event.at_ms:.1f} ms)"
        text.append(line)
    if timeline.omitted:
        text.append(f"… and {timeline.omitted} more")
    return text
