"""A search in parts finds what one search finds, and says which part is missing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from paychain.explore.parts import SCHEMA, ExplorePart, PartFinding, keep_part, merge_parts
from paychain.payments.errors import UserError
from tests.support.chains import shop
from tests.support.cli import invoked
from tests.support.runs import declare


def part(number: int, *found: PartFinding, budget: str = "100") -> ExplorePart:
    return ExplorePart(
        part=f"{number}/2",
        chain="shop",
        search={"budget": budget},
        schedules=50,
        virtual_s=10.0,
        took_s=float(number),
        was_interrupted=False,
        found=list(found),
    )


def outage(faults: int, rule: str = "no_double_charge", file: str = "shop.yaml") -> PartFinding:
    text = f"{faults} faults"
    return PartFinding(rule=rule, size=(faults, 0, 0, 0, 5, ""), lines=[text], file=file, text=text)


def written(folder: Path, *parts: ExplorePart) -> list[Path]:
    paths = [folder / f"{number}.json" for number, _ in enumerate(parts)]
    for path, each in zip(paths, parts, strict=True):
        path.write_bytes(msgspec.json.encode(each))
    return paths


def test_the_smallest_outage_of_each_rule_counts(tmp_path: Path) -> None:
    paths = written(tmp_path, part(1, outage(2)), part(2, outage(1), outage(3, "money_conserved")))
    merged = merge_parts(paths, tmp_path / "out")
    assert [each.rule for each, _ in merged.written] == ["money_conserved", "no_double_charge"]
    assert merged.written[1][1].read_text() == "1 faults"
    whole = merged.result
    assert (whole.schedules, whole.virtual_s, whole.took_s) == (100, 20.0, 2.0)
    assert merged.absent == []


def test_files_that_are_no_parts_of_one_search_are_refused(tmp_path: Path) -> None:
    first, other = written(tmp_path, part(1), part(2, budget="200"))
    with pytest.raises(UserError, match=r"a different search than .*; they differ in budget"):
        merge_parts([first, other], tmp_path)
    for wrong in (b"", b"[]", b"{}", msgspec.json.encode(part(1, outage(1, file="../x.yaml")))):
        other.write_bytes(wrong)
        with pytest.raises(UserError, match="is not a part of a search"):
            merge_parts([first, other], tmp_path)


@pytest.mark.parametrize("schema", [{}, {"schema": "paychain/explore-part/v1"}])
def test_a_part_of_another_version_is_named_as_such(tmp_path: Path, schema: dict[str, str]) -> None:
    found = {"rule": "no_double_charge", "size": [1, False, 5, ""]}
    first = {
        **schema,
        "part": "1/2",
        "chain": "shop",
        "search": {},
        "schedules": 50,
        "virtual_s": 10.0,
        "took_s": 1.0,
        "was_interrupted": False,
        "found": [{**found, "lines": ["x"], "file": "shop.yaml", "text": "x"}],
    }
    path = tmp_path / "1.json"
    for content in (first, {**first, "found": []}):  # the latter has the form of today
        path.write_bytes(msgspec.json.encode(content))
        with pytest.raises(UserError, match="that this version can read"):
            merge_parts([path], tmp_path)


def test_a_part_says_which_version_wrote_it(tmp_path: Path) -> None:
    assert msgspec.json.decode(keep_part(part(1), tmp_path).read_bytes())["schema"] == SCHEMA


def test_parts_of_two_versions_are_not_put_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = keep_part(part(1), tmp_path)
    monkeypatch.setattr("paychain.explore.parts.version", lambda _: "9.9")
    with pytest.raises(UserError, match="they differ in version of paychain"):
        merge_parts([first, keep_part(part(2), tmp_path)], tmp_path)


@pytest.mark.slow
def test_two_parts_find_what_breaks_the_chain(tmp_path: Path) -> None:
    declare(tmp_path, shop=shop(on_unknown="give_up"))
    words = ["explore", "shop.yaml", "--budget", "80", "--kind", "lost_answer", "--payments", "2"]
    words += ["--rule", "no_double_charge"]
    for number in (1, 2):
        invoked(tmp_path, *words, "--part", f"{number}/2", "--out", f"part-{number}")
    files = [f"part-{number}/explore-shop-{number}-of-2.json" for number in (1, 2)]
    merged = invoked(tmp_path, "merge", *files, "--out", "found")
    assert merged.exit_code == 1, merged.stderr
    assert "✕ no double charge" in merged.stdout
    assert (tmp_path / "found" / "shop-no-double-charge.yaml").is_file()

    alone = invoked(tmp_path, "merge", files[0], "--out", "found")
    assert "part 2/2 is missing" in alone.stderr
