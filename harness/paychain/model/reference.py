"""docs/reference.md: every key of every file, written from the JSON Schemas.

python -m paychain.model.reference > docs/reference.md
"""

from __future__ import annotations

import sys
from typing import Any

from paychain.faults.kinds import KINDS
from paychain.model.finding_kinds import KINDS as FINDINGS
from paychain.model.schemas import MODELS, parts, schema_of

MAX_WORDS = 20  # of a choice that is listed in its cell; more are the kinds of findings
_TITLES = {
    "chain": "A chain",
    "experiment": "An experiment",
    "assurance": "The assurance block",
}
_INTRODUCTION = """\
# Reference: every key of every file

Written from the JSON Schemas (`paychain check --schema chain`, `experiment`, `assurance`) by
`python -m paychain.model.reference > docs/reference.md`; a test holds that it is up to date.

Durations have units and may be composed: `300ms`, `2s`, `1m30s`, `2h`, `2d`. Rates are `40/s` or
`600/min`, shares are in percent, amounts are decimal in the chain's currency. Text that looks like
a number needs no quotes. YAML anchors, aliases and merges (`<<: *base`) work; keys at the top of a
file that begin with `x-` are your own, a place for anchors.
"""


def reference() -> str:
    """The whole page as Markdown."""
    lines = [_INTRODUCTION]
    described: set[str] = set()
    for kind, model in MODELS.items():
        schema = schema_of(kind)
        lines.append(f"## {_TITLES[kind]}\n")
        used_by = _users(schema, model.__name__)
        for name, part in parts(schema, model.__name__):
            # The assurance block is a part of an experiment and has its own chapter.
            belongs_elsewhere = kind == "experiment" and name in _assurance_parts()
            if name in described or belongs_elsewhere or part.get("type") != "object":
                continue
            described.add(name)
            lines += _section(name, part, used_by.get(name, []), is_whole=name == model.__name__)
    lines += _findings()
    return "\n".join(lines)


def _section(name: str, part: dict[str, Any], users: list[str], *, is_whole: bool) -> list[str]:
    lines = [f"### {name}\n"]
    if users and not is_whole:
        lines.append(f"Under {', '.join(f'`{user}`' for user in users)}.\n")
    lines.append(f"{' '.join(part.get('description', '').split())}\n")
    if not part.get("properties"):
        return [*lines, "It has no keys: write `{}`.\n"]
    lines += ["| key | value | what it is for |", "|---|---|---|"]
    required = set(part.get("required", []))
    for key, value in part["properties"].items():
        # The kinds of faults are listed once, under Kinds.
        if name in ("Fault", "ScriptStep") and key in KINDS:
            continue
        default = "required" if key in required else _default(value)
        cells = [f"`{key}`", "; ".join(filter(None, (_value(value), default)))]
        lines.append(f"| {' | '.join([*cells, value['description']])} |")
    return [*lines, ""]


def _value(value: dict[str, Any]) -> str:
    """What may be written, in a few words: a list of words, an example, a type, a part's name."""
    if len(value.get("enum", [])) > MAX_WORDS:
        return "one of the [review findings](#review-findings)"
    if "enum" in value:
        return ", ".join(f"`{word}`" for word in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    if "$ref" in value:
        return _link(value["$ref"])
    for choice in ("anyOf", "oneOf"):
        if choice in value:
            branches = [_value(branch) for branch in value[choice] if branch.get("type") != "null"]
            return " or ".join(dict.fromkeys(filter(None, branches)))
    if "examples" in value:
        return f"such as `{value['examples'][0]}`"
    if value.get("type") == "array":
        return f"list of {_value(value['items'])}" if "items" in value else "list"
    if value.get("type") == "object":
        patterns = list(value.get("patternProperties", {}).values())
        inner = value.get("additionalProperties") or next(iter(patterns), None)
        return f"mapping of names to {_value(inner)}" if isinstance(inner, dict) else "mapping"
    names = {"string": "text", "boolean": "true or false", "integer": "whole number"}
    return names.get(str(value.get("type", "")), str(value.get("type", "")))


def _default(value: dict[str, Any]) -> str:
    given = value.get("default")
    if given in (None, "", [], {}) or isinstance(given, dict | list):
        return ""
    if isinstance(given, bool):
        return f"default {str(given).lower()}"
    # Quantities are read into plain numbers: seconds, or shares of 1.
    kind = str(value.get("pattern", ""))
    if isinstance(given, int | float) and "%" in kind:
        return f"default {given * 100:g}%"
    if isinstance(given, int | float) and "ms" in kind:
        return f"default {given:g}s" if given >= 1 or not given else f"default {given * 1000:g}ms"
    if isinstance(given, int | float) and "/" in kind:
        return f"default {given:g}/s"
    return f"default {given}"


def _link(ref: str) -> str:
    """A link to the section of a part, by the name of its model."""
    name = ref.rsplit("/", 1)[-1]
    return f"[{name}](#{name.lower()})"


def _users(schema: dict[str, Any], whole: str) -> dict[str, list[str]]:
    """The keys under which each part of a schema stands."""
    found: dict[str, dict[str, None]] = {}
    for _, part in parts(schema, whole):
        for key, value in part.get("properties", {}).items():
            for name in schema.get("$defs", {}):
                if f"#/$defs/{name}'" in str(value):
                    found.setdefault(name, {})[key] = None
    return {name: list(keys) for name, keys in found.items()}


def _assurance_parts() -> set[str]:
    return {name for name, _ in parts(schema_of("assurance"), "Assurance")}


def _findings() -> list[str]:
    """Every kind of review finding: what `accepts` may name."""
    lines = ["## Review findings\n"]
    lines.append(
        "What `paychain check` finds in a declaration, in this order. A chain accepts one with "
        '`accepts: [{finding: single_provider, at: cloudflare, because: "…"}]`; `--strict` '
        "fails on what is neither removed nor accepted.\n"
    )
    lines += ["| finding | costs | why it matters |", "|---|---|---|"]
    lines += [f"| `{kind}` | {facts.costs} | {facts.why} |" for kind, facts in FINDINGS.items()]
    return [*lines, ""]


if __name__ == "__main__":
    sys.stdout.write(reference())
