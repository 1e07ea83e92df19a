"""A declared chain as a Mermaid flowchart, for documents that render Mermaid."""

from __future__ import annotations

from collections.abc import Sequence

from paychain.model.chain import Chain
from paychain.model.operations import CUSTOMER
from paychain.model.review import ReviewFinding
from paychain.report.text.chain_tree import role_words


def chain_mermaid(chain: Chain, findings: Sequence[ReviewFinding]) -> str:
    """The flowchart as text. Providers are boxes around their links, fallbacks are dashed, and
    single points of failure have the class `single`."""
    ids = {name: f"n{number}" for number, name in enumerate((CUSTOMER, *chain.links))}
    lines = ["flowchart LR", f"  {ids[CUSTOMER]}([{CUSTOMER}])"]

    def box(name: str, indent: str = "  ") -> str:
        return f'{indent}{ids[name]}["{name}<br/>{role_words(chain.links[name])}"]'

    hosted: set[str] = set()
    # A node of Mermaid is in one box only: links that name the same providers share one.
    several = [link.depends_on for link in chain.links.values() if len(link.depends_on) > 1]
    boxes = dict.fromkeys([*((provider,) for provider in chain.providers), *several])
    for number, named in enumerate(boxes):
        links = [name for name, link in chain.links.items() if link.depends_on == named]
        if links:
            lines.append(f'  subgraph p{number}["{", ".join(named)}"]')
            lines += [box(name, "    ") for name in links]
            lines.append("  end")
            hosted.update(links)
    lines += [box(name) for name in chain.links if name not in hosted]
    lines += [f"  {ids[CUSTOMER]} -->|pay| {ids[entry]}" for entry in chain.entries]
    for link in chain.links:
        for operation, call in chain.calls_of(link).items():
            for target in call.targets:
                arrow = "-->" if call.is_first(target) else "-.->"
                lines.append(f"  {ids[link]} {arrow}|{operation}| {ids[target]}")
    single = [
        ids[name]
        for name in chain.links
        if any(
            finding.kind == "single_link" and finding.subject == f"link {name}"
            for finding in findings
        )
    ]
    if single:
        lines += [f"  class {','.join(single)} single", "  classDef single stroke-width:3px"]
    return "\n".join(lines) + "\n"
