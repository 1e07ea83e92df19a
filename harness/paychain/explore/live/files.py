"""Scripts that were found, as files: an experiment that replays each, and what to try first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from paychain.explore.findings import slug
from paychain.explore.live.result import FoundScript
from paychain.explore.live.steps import StepChoice, Steps, fits
from paychain.model.chain import Chain
from paychain.processes.files import make_folder, write_atomically

MAX_KNOWN = 100  # scripts of one chain that are tried first the next time
KNOWN = ".scripts"  # folder of them, among what was found
_LOAD = {"arrivals": "2/s", "warm_up": "0s", "before": "5s", "after": "5s"}
_EVERY = 2  # payment follows the script: the others show the chain as it is


def experiment_of(found: FoundScript, chain: Chain) -> dict[str, Any]:
    """The experiment that replays a found script, as a file has it."""
    declared: dict[str, Any] = {
        "experiment": f"{slug(chain.chain, found.rule)[:58]}-live",
        "title": f"{found.title} broken by a failure script",
        "load": dict(_LOAD),
    }
    if found.steps:
        steps = [step.declared() for step in found.steps]
        script = {"id": "found", "payments": {"every": _EVERY}, "steps": steps}
        declared["scripts"] = [script]
    if found.outage is not None:
        # So fast that payments are on their way when it begins.
        declared["load"] |= {"arrivals": "10/s"}
        declared["faults"] = [found.outage.declared]
    return {**declared, "tolerances": {}}


def write_found(found: FoundScript, chain: Chain, folder: Path) -> Path:
    """Write the experiment that replays a found script; an older one of its rule is replaced."""
    declared = experiment_of(found, chain)
    lines = [
        f"# Found by exploring {chain.chain} live. Broken: {found.title}.",
        f"# {found.finding.text}",
        f"# {found.words}",
    ]
    make_folder(folder)
    path = folder / f"{declared['experiment']}.yaml"
    text = yaml.safe_dump(declared, sort_keys=False, allow_unicode=True, width=100)
    path.write_text("\n".join(line.replace("\r", " ") for line in lines) + "\n" + text, "utf-8")
    return path


def remember(found: Iterable[FoundScript], known: Sequence[Steps], chain: Chain, out: Path) -> None:
    """Keep what was found, and what was known before, for the next search of the chain."""
    alone = [each.steps for each in found if each.steps and each.outage is None]
    scripts = dict.fromkeys([*alone, *known])
    written = [[step.declared() for step in steps] for steps in list(scripts)[:MAX_KNOWN]]
    if written:
        path = _known(chain, out)
        make_folder(path.parent)
        write_atomically(path, json.dumps(written, indent=1).encode())


def recall(chain: Chain, choices: Iterable[StepChoice], out: Path) -> list[Steps]:
    """Scripts that broke a rule before, if all of their steps are still possible in the chain."""
    path = _known(chain, out)
    if not path.is_file():
        return []
    by_text = {_text(step.declared()): step for step in choices}
    try:
        written = json.loads(path.read_text("utf-8"))
        scripts = [tuple(by_text.get(_text(step)) for step in steps) for steps in written]
    except (ValueError, TypeError):  # another version wrote it, or it was edited
        return []
    known = [tuple(step for step in steps if step is not None) for steps in scripts]
    return [
        steps
        for steps, whole in zip(known, scripts, strict=True)
        if steps and len(steps) == len(whole) and fits(steps)
    ]


def _known(chain: Chain, out: Path) -> Path:
    return out / KNOWN / f"{chain.chain}.json"


def _text(declared: Any) -> str:
    return json.dumps(declared, sort_keys=True)
