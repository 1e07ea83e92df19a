"""Values, keys, titles and file names of a pull request reach no terminal and no CI as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.model.loading import FileMistakes, load_chain, load_experiment
from tests.support.chains import shop
from tests.support.cli import invoked

TITLED = shop(title="TITLE")


def mistakes(folder: Path, text: str) -> list[str]:
    path = folder / "shop.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(FileMistakes) as caught:
        load_chain(str(path))
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("written", "named"),
    [
        (r'"\e[31m"', "U+001B"),
        (r'"a\rb"', "U+000D"),
        (r'"\u202e"', "U+202E"),
        (r'"\u2066"', "U+2066"),
        (r'"\u2028"', "U+2028"),
        (r'"\x9b"', "U+009B"),
        (r'"\0"', "U+0000"),
        (r'"\x7f"', "U+007F"),
    ],
)
def test_a_control_character_is_a_mistake_with_its_place(
    tmp_path: Path, written: str, named: str
) -> None:
    for text in (TITLED.replace("TITLE", written), f"{TITLED}\n{written}: 1\n"):
        found = mistakes(tmp_path, text)
        assert any(f"text with the control character {named}; remove it" in line for line in found)
        assert all(line.isprintable() for line in found)


@pytest.mark.parametrize(
    "value",
    [r'"4\n::error::VAL0/s"', r'"4\n##[error]x"', r'"4\n\n::stop-commands::x"', '"::add-mask::4"'],
)
@pytest.mark.parametrize("place", ["deadline: VALUE", "VALUE: 1", "links: VALUE", "entry: VALUE"])
def test_a_mistake_is_one_line_that_no_ci_obeys(tmp_path: Path, value: str, place: str) -> None:
    key = place.split(":")[0]
    kept = [line for line in TITLED.splitlines() if not line.startswith(f"{key}:")]
    if place.startswith("links"):
        kept = [line for line in kept if not line.startswith(" ")]
    found = mistakes(tmp_path, "\n".join([*kept, place.replace("VALUE", value), ""]))
    assert len(found) >= 2
    for line in found[:-1]:
        assert line.startswith(f"{tmp_path}/shop.yaml:")
        assert "::error::" not in line
        assert "##[" not in line
        assert "::add-mask::" not in line


def test_a_title_is_one_line_however_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    for written in (r'"A shop\n::error::of ours"', "|\n  A shop\n  ::error::of ours\n"):
        path.write_text(TITLED.replace("TITLE", written), "utf-8")
        assert load_chain(str(path)).model.title == r"A shop :\:error::of ours"
    experiment = tmp_path / "quick.yaml"
    experiment.write_text(
        'experiment: quick\ntitle: "##[error]x"\nload: {arrivals: 1/s, before: 1s, after: 1s}\n'
        "tolerances: {}\n"
    )
    assert load_experiment(str(experiment)).model.title == r"##\[error]x"


def test_titles_in_any_script_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    for title in ("支付", "บัตร", "💳", "بطاقة", "क्रेडिट", "Zürich – €", "👩\u200d💻"):
        path.write_text(shop(title=title), "utf-8")
        assert load_chain(str(path)).model.title == title


def test_a_file_name_is_one_line_in_what_a_command_prints(tmp_path: Path) -> None:
    folder = tmp_path / "a\n::error::b"
    folder.mkdir()
    (folder / "shop\x1b.yaml").write_text(shop(), "utf-8")
    for words in (
        ["check", f"{folder.name}/shop\x1b.yaml"],
        ["show", "chain", "no\n::error::.yaml"],
    ):
        done = invoked(tmp_path, *words)
        for line in f"{done.stdout}\n{done.stderr}".splitlines():
            assert not line.startswith("::")
            assert "\x1b" not in line
