"""Numbers that are far too large, and words that mean nothing, are refused before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.cli.options import MAX_JOBS
from paychain.declaration.quantity import byte_count, duration_seconds, rate_per_second
from paychain.explore.jobs import search_with_jobs
from paychain.explore.spec import SearchSpec
from paychain.model.loading import load_chain
from paychain.processes import local
from tests.support.chains import corner_shop
from tests.support.cli import invoked
from tests.support.runs import declare

NINES = "9" * 5_000
EXPERIMENT = """
experiment: large
load: {arrivals: 20/s, before: 5s, after: 5s}
faults: [{at: 0s, for: 5s, target: {hop: customer -> gateway}, bandwidth: {rate: 1kB/s}}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    declare(tmp_path, shop=corner_shop())
    return tmp_path


@pytest.mark.parametrize(
    ("written", "large", "said"),
    [
        ("20/s", "99999999999/s", "'99999999999/s' is too high; write at most 100000/s"),
        ("20/s", f"{NINES}/s", "is too high"),
        ("before: 5s", "before: 99999999999h", "'99999999999h' is too long; write at most 3650d"),
        ("for: 5s", f"for: {NINES}s", "is too long"),
        ("1kB/s", f"{NINES}kB/s", "is too large; write at most 1000000MB"),
        (
            "20/s, before: 5s",
            "90000/s, before: 1h",
            "the load makes about 325,080,000 payments; at most 20,000,000 are allowed",
        ),
    ],
)
def test_a_quantity_that_no_run_could_end_with_is_a_mistake(
    folder: Path, written: str, large: str, said: str
) -> None:
    assert written in EXPERIMENT
    (folder / "large.yaml").write_text(EXPERIMENT.replace(written, large, 1))
    done = invoked(folder, "check", "shop.yaml", "large.yaml")
    assert done.exit_code == 2
    assert "large.yaml:" in done.stderr
    assert said in done.stderr
    assert len(done.stderr) < 400


def test_the_largest_quantities_are_read() -> None:
    assert duration_seconds("3650d") == 3650 * 86_400
    assert rate_per_second("100000/s") == 100_000
    assert byte_count("1000000MB") == 10**12


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"explore shop.yaml --jobs {MAX_JOBS + 1}", "are too many for one machine"),
        (f"matrix shop.yaml --jobs {MAX_JOBS + 1}", "the number must be less than or equal to"),
        ("matrix shop.yaml --jobs many", "write a whole number"),
        ("list nothing", "Invalid value for 'chains|experiments': 'nothing' is not one of"),
        ("merge nothing", "no such file or folder: nothing"),
        ("matrix shop.yaml --fault down --resume used", "used has files, but no matrix"),
        (
            "matrix shop.yaml --fault down --resume merged",
            "merged is a merged matrix, which cannot",
        ),
        ("explore shop.yaml --budget ²", "'²' is not a duration"),
        ("init --dialect adyen", "--dialect is whose API your own service calls; add --service"),
        ("check /dev/null", "/dev/null is not a regular file"),
        ("load shop.yaml --host no.such.host.invalid", "give an address of this machine"),
        ("explore shop.yaml --cluster tcp://[", "is not an address; give the scheduler's address"),
        ("probe http://h/ --dialect stripe --secret a --currency XXX", "unknown currency 'XXX'"),
        ("probe http://h/ --dialect stripe --secret a --amount 0", "give an amount above 0"),
    ],
)
def test_what_cannot_be_meant_is_told_in_a_sentence(folder: Path, command: str, said: str) -> None:
    (folder / "used").mkdir()
    (folder / "used" / "theirs.txt").touch()
    (folder / "merged").mkdir()
    (folder / "merged" / "matrix.json").write_text("{}")
    done = invoked(folder, *command.split())
    assert done.exit_code == 2
    # Typer draws a box around its own, and wraps what is in it.
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_an_empty_secret_is_a_mistake(folder: Path) -> None:
    done = invoked(folder, "probe", "http://h/", "--dialect", "stripe", "--secret", "")
    assert (done.exit_code, "--secret is empty" in done.stderr) == (2, True)


def test_a_hop_that_is_written_backwards_is_turned_round(folder: Path) -> None:
    (folder / "hop.yaml").write_text(EXPERIMENT.replace("customer -> gateway", "issuer->processor"))
    said = invoked(folder, "check", "shop.yaml", "hop.yaml").stderr
    assert "unknown hop 'issuer->processor'; did you mean 'processor -> issuer'?" in said


def test_a_hop_that_is_not_there_is_answered_with_each_hop_once(folder: Path) -> None:
    (folder / "hop.yaml").write_text(EXPERIMENT.replace("customer -> gateway", "a -> b"))
    said = invoked(folder, "check", "shop.yaml", "hop.yaml").stderr
    assert "unknown hop 'a -> b'" in said
    assert said.count("customer -> gateway") == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("seed = 1.5", "paychain.toml:1:1: --seed: write a whole number"),
        ("[tool.paychain]\nseed = 1", "write its keys without [tool.paychain] in paychain.toml"),
        ("[tool.black]\nline-length = 99", "no command 'tool'; there are: "),
        ("[run]\nchain = 'x'", "check-determinism, ctrf, exit-zero, format"),
        ("[nothing]\na = 1", "sign, verify, worker, show, engine"),
    ],
)
def test_settings_are_answered_with_the_names_that_exist(
    folder: Path, settings: str, said: str
) -> None:
    (folder / "paychain.toml").write_text(settings)
    assert said in invoked(folder, "matrix", "shop.yaml").stderr


def test_a_search_of_few_schedules_starts_no_more_jobs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "JobProcess", None)  # one job is done in this process
    spec = SearchSpec(chain=load_chain(str(folder / "shop.yaml")).model, max_schedules=1)
    assert search_with_jobs(spec, 4, lambda _: None).schedules == 1
