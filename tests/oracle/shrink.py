"""The smallest pair that still shows a difference: whatever can be left out is left out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from tests.oracle.pairs import Pair, run_pair

Shows = Callable[[Pair], bool]
Path = tuple[str | int, ...]
MAX_TRIES = 400  # plays, of a tenth of a second each


def shrunk(pair: Pair, shows: Shows) -> Pair:
    """A pair of which nothing more can be taken away while `shows` holds."""
    tries = MAX_TRIES
    progress = True
    while progress and tries:
        progress, place = False, 0
        # What could not be left out is not tried again in the same pass: most of it stays needed.
        while tries and (smaller := next(islice(_smaller(pair), place, None), None)) is not None:
            tries -= 1
            if _does(smaller, shows):
                pair, progress = smaller, True
            else:
                place += 1
    return pair


def shows(what: str, differences: Callable[[Any], list[Any]]) -> Shows:
    """Whether a pair has a difference of a kind."""
    return lambda pair: any(each.what == what for each in differences(run_pair(pair)))


def _does(pair: Pair, shows: Shows) -> bool:
    try:
        return shows(pair)
    except Exception:
        return False


def _smaller(pair: Pair) -> Iterator[Pair]:
    """The pair without one thing, big things first."""
    faults = pair.experiment["faults"]
    for number in range(len(faults)):
        less = [fault for other, fault in enumerate(faults) if other != number]
        yield replace(pair, experiment={**pair.experiment, "faults": less})
    for name in pair.chain["links"]:
        yield replace(pair, chain=_without_link(pair.chain, name))
    for path in sorted(_optional(pair.chain, ()), key=len):
        chain = copy.deepcopy(pair.chain)
        _delete(chain, path)
        yield replace(pair, chain=chain)
    yield from _fewer_payments(pair)


def _fewer_payments(pair: Pair) -> Iterator[Pair]:
    load = pair.experiment["load"]
    if "arrivals" not in load:  # each entry has its own
        return
    steps = load["arrivals"]["steps"]
    for share in (0.25, 0.5, 0.75, 0.9):
        experiment = copy.deepcopy(pair.experiment)
        ends_ms = int(int(steps[1]["at"].removesuffix("ms")) * share)
        if ends_ms >= 50:
            experiment["load"]["arrivals"]["steps"][1]["at"] = f"{ends_ms}ms"
            yield replace(pair, experiment=experiment)


def _without_link(chain: dict[str, Any], name: str) -> dict[str, Any]:
    """The chain without a link and without all that names it; its caller asks what it asked."""
    chain = copy.deepcopy(chain)
    gone = chain["links"].pop(name)
    behind = gone.get("calls", {}).get("authorise") or gone.get("calls", {}).get("forward") or {}
    successor = behind.get("to") or gone.get("forwards_to")
    entries = chain["entry"] if isinstance(chain["entry"], list) else [chain["entry"]]
    entries = [entry for entry in entries if entry != name] or [successor]
    chain["entry"] = entries if len(entries) > 1 else entries[0]
    for link in chain["links"].values():
        if link.get("forwards_to") == name:
            link["forwards_to"] = successor
        if link.get("webhooks", {}).get("to") == name:
            del link["webhooks"]
        for operation, call in list(link.get("calls", {}).items()):
            # Where it is one of several calls it stays: the loader refuses a chain without it.
            if isinstance(call, list):
                continue
            call["fallback"] = [
                step
                for step in call.get("fallback", [])
                if step.get("to") != name and name not in step.get("split", {})
            ]
            if call.get("hedge", {}).get("to") == name:
                del call["hedge"]
            for key in ("prefer", "tenders"):
                if any(each["to"] == name for each in call.get(key, ())):
                    del call[key]
                    call.pop("compensates", None)
            if call["to"] == name:
                if operation in ("screen", "authenticate"):
                    del link["calls"][operation]
                else:
                    call["to"] = successor
    return chain


def _optional(value: Any, path: Path) -> Iterator[Path]:
    """The places of everything that could be left out."""
    if isinstance(value, dict):
        for key, inside in value.items():
            if not (path == ("links",) or key in ("role", "to", "chain", "entry", "links")):
                yield (*path, key)
            yield from _optional(inside, (*path, key))
    elif isinstance(value, list):
        for number, inside in enumerate(value):
            yield (*path, number)
            yield from _optional(inside, (*path, number))


def _delete(value: Any, path: Path) -> None:
    for key in path[:-1]:
        value = value[key]
    del value[path[-1]]
