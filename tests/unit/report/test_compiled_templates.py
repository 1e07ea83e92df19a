"""Compiled templates are kept for the next process, and taken from a folder of one's own only."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

from paychain.report.html.compiled import CompiledTemplates, cache_folder


def rendered(folder: Path, text: str = "paid {{ amount }}", **options: bool) -> str:
    environment = jinja2.Environment(
        **{"autoescape": True, **options},  # type: ignore[arg-type]  # of mixed types
        loader=jinja2.DictLoader({"page": text}),
        bytecode_cache=CompiledTemplates(folder),
    )
    return environment.get_template("page").render(amount=7)


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The source of each template that is compiled."""
    seen: list[str] = []
    compiled = jinja2.Environment.compile

    def compile_it(self: jinja2.Environment, source: str, *args: object) -> object:
        seen.append(source)
        return compiled(self, source, *args)  # type: ignore[call-overload]  # passed on as given

    monkeypatch.setattr(jinja2.Environment, "compile", compile_it)
    return seen


def test_a_template_is_compiled_once(tmp_path: Path, compilations: list[str]) -> None:
    folder = tmp_path / "cache" / "paychain"
    assert [rendered(folder) for _ in range(3)] == ["paid 7"] * 3
    assert len(compilations) == 1
    assert rendered(folder, "{{ amount }} paid") == "7 paid"  # a newer version of the package
    assert len(compilations) == 2


@pytest.mark.parametrize("option", ["trim_blocks", "autoescape"])
def test_an_environment_with_other_options_compiles_its_own(
    tmp_path: Path, compilations: list[str], option: str
) -> None:
    text = "{% if amount %}\n{{ '<' ~ amount }}{% endif %}"
    pages = [rendered(tmp_path, text, **{option: value}) for value in (False, True, False)]
    assert pages[0] == pages[2] != pages[1]
    assert len(compilations) == 2


def test_another_version_of_the_package_compiles_its_own(
    tmp_path: Path, compilations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for ours in ("1.0", "1.1", "1.1"):
        monkeypatch.setattr("paychain.report.html.compiled.version", lambda _, ours=ours: ours)
        assert rendered(tmp_path) == "paid 7"
    assert len(compilations) == 2


def test_what_is_damaged_is_compiled_anew(tmp_path: Path, compilations: list[str]) -> None:
    assert rendered(tmp_path) == "paid 7"
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    for cut in (whole[:-9], whole[:20], whole[:1], b""):
        kept.write_bytes(cut)
        assert rendered(tmp_path) == "paid 7"
    assert len(compilations) == 5


def test_nothing_is_taken_from_a_folder_that_others_may_write_to(
    tmp_path: Path, compilations: list[str]
) -> None:
    assert rendered(tmp_path) == "paid 7"
    tmp_path.chmod(0o777)
    assert rendered(tmp_path) == "paid 7"
    assert len(compilations) == 2


def test_nothing_is_taken_from_the_working_folder(
    tmp_path: Path, compilations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # where the path of the cache begins for an account without a home
    monkeypatch.chdir(tmp_path)
    assert rendered(Path("~/.cache")) == rendered(Path("~/.cache")) == "paid 7"
    assert len(compilations) == 2
    assert not list(tmp_path.iterdir())


def test_without_a_folder_each_compiles(tmp_path: Path, compilations: list[str]) -> None:
    (tmp_path / "file").touch()
    assert rendered(tmp_path / "file" / "cache") == rendered(tmp_path / "file" / "cache")
    assert len(compilations) == 2


def test_the_folder_is_the_users() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/somewhere"}) == Path("/somewhere/paychain")
    assert cache_folder({}) == Path.home() / ".cache" / "paychain"
