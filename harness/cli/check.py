"""paychain check: every mistake of every file, and the JSON Schemas for editors."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def check(
    files: Annotated[list[str] | None, typer.Argument(help="chains and experiments")] = None,
    schema: Annotated[
        str | None,
        typer.Option(help="print the JSON Schema of: chain | experiment | result | assurance"),
    ] = None,
    toxiproxy: Annotated[
        str | None, typer.Option(help="the engine that is to do the faults, as for paychain run")
    ] = None,
) -> None:
    """Check chain and experiment files; experiments are checked against the chain before them.

    What a chain's review finds is told and is no mistake: the exit code stays 0.

    Example: paychain check chains/card-ecommerce.yaml chaos/steady.yaml
    """
    from harness.faults.ability import refuse_unable
    from harness.faults.choice import choose
    from harness.model.assurance import Assurance
    from harness.model.chain import Chain
    from harness.model.experiment import Experiment
    from harness.model.loading import load_chain, load_experiment
    from harness.model.review import review
    from harness.payments.errors import UserError
    from harness.report.chain_tree import finding_lines
    from harness.report.wording import count

    if schema is not None:
        import json

        from harness.report.result import json_schema

        schemas = {
            "chain": Chain.model_json_schema,
            "experiment": Experiment.model_json_schema,
            "result": json_schema,
            "assurance": Assurance.model_json_schema,
        }
        if schema not in schemas:
            raise UserError(f"no schema '{schema}'", mend=f"there are: {', '.join(schemas)}")
        print(json.dumps(schemas[schema](), indent=2))
        return
    if not files:
        raise UserError("nothing to check", mend="name chain and experiment files")
    engine = choose(toxiproxy).kind
    chain: Chain | None = None
    is_wrong = False
    for name in files:
        try:
            if _is_experiment(name):
                loaded = load_experiment(name, chain)
                refuse_unable(loaded, engine)
                experiment = loaded.model
                alone = "" if chain is not None else "; no chain before it to check it against"
                print(f"ok: {name}: {count(len(experiment.faults), 'fault')}, "
                      f"{experiment.load_lasts:g} s of load{alone}")  # fmt: skip
            else:
                given = load_chain(name)
                chain = given.model
                hops = count(len(chain.hops()), "hop")
                print(f"ok: {name}: {count(len(chain.links), 'link')}, {hops}")
                print("\n".join(finding_lines(review(given))))
        except UserError as error:
            print(error, file=sys.stderr)
            is_wrong = True
    if is_wrong:
        raise typer.Exit(2)


def _is_experiment(name: str) -> bool:
    """By its first key; a name without a file is an experiment when one is called so."""
    from pathlib import Path

    from harness.model.loading import available

    path = Path(name)
    if path.is_file():
        text = path.read_text("utf-8", "replace")
        keys = [line.split(":")[0] for line in text.splitlines() if line and line[0].isalpha()]
        return "experiment" in keys
    return name in available("experiment")
