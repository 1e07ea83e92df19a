"""Any mutation of a valid file gives a model or located mistakes, never a traceback."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from paychain.model.files import available
from paychain.model.loading import FileMistakes, load_chain, load_experiment
from tests.support.laws import examples

PLACED = re.compile(r".+:\d+:\d+: .+")
CHAINS = [path.read_text() for path in available("chain").values()]
EXPERIMENTS = [path.read_text() for path in available("experiment").values()]


@st.composite
def mutated(draw: st.DrawFn, texts: list[str]) -> str:
    lines = draw(st.sampled_from(texts)).splitlines()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["delete", "copy", "text", "cut", "swap"])):
            case "delete":
                del lines[at]
            case "copy":
                lines.insert(at, lines[at])
            case "text":
                lines[at] += draw(st.text(max_size=8))
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
            case "swap":
                lines[at] = lines[at].replace(":", draw(st.sampled_from(["", ": [", ": 3 #", "{"])))
        if not lines:
            break
    return "\n".join(lines)


@examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=mutated(CHAINS))
def test_a_mutated_chain_loads_or_reports_where_it_is_wrong(tmp_path: Path, text: str) -> None:
    path = tmp_path / "chain.yaml"
    path.write_text(text, "utf-8", errors="surrogatepass")
    try:
        load_chain(str(path))
    except FileMistakes as caught:
        assert caught.lines
        assert all(PLACED.match(line) for line in caught.lines)


@examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=mutated(EXPERIMENTS))
def test_a_mutated_experiment_loads_or_reports_where_it_is_wrong(tmp_path: Path, text: str) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(text, "utf-8", errors="surrogatepass")
    try:
        load_experiment(str(path))
    except FileMistakes as caught:
        assert caught.lines
        assert all(PLACED.match(line) for line in caught.lines)
