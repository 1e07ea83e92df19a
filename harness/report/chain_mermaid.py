"""A declared chain as a Mermaid flow chart, for documents that draw them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.chain import CUSTOMER, Chain
from harness.model.review import ReviewFinding
from harness.model.review.providers import links_of


def chain_mermaid(chain: Chain, findings: Sequence[ReviewFinding]) -> str:
    """Providers are boxes around their links; fallbacks are dashed; single points have the class
    `single`."""
    ids = {name: f"n{number}" for number, name in enumerate((CUSTOMER, *chain.links))}
    lines = ["flowchart LR", f"  {ids[CUSTOMER]}([{CUSTOMER}])"]

    def box(name: str, indent: str = "  ") -> str:
        return f'{indent}{ids[name]}["{name}<br/>{chain.links[name].role}"]'

    hosted: set[str] = set()
    for number, provider in enumerate(chain.providers):
        links = [name for name in chain.links if name in links_of(chain, provider)]
        if links:
            lines.append(f'  subgraph p{number}["{provider}"]')
            lines += [box(name, "    ") for name in links]
            lines.append("  end")
            hosted.update(links)
    lines += [box(name) for name in chain.links if name not in hosted]
    lines.append(f"  {ids[CUSTOMER]} -->|pay| {ids[chain.entry]}")
    for link in chain.links:
        for operation, call in chain.calls_of(link).items():
            for route, target in enumerate(call.targets):
                arrow = "-->" if route == 0 else "-.->"
                lines.append(f"  {ids[link]} {arrow}|{operation}| {ids[target]}")
    single = [ids[name] for name in chain.links
              if any(one.kind == "single_link" and one.subject == f"link {name}"
                     for one in findings)]  # fmt: skip
    if single:
        lines += [f"  class {','.join(single)} single", "  classDef single stroke-width:3px"]
    return "\n".join(lines) + "\n"
