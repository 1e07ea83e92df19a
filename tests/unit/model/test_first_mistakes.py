"""What people write first: nothing behind a colon, another tool's words, an editor's encoding."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.model.loading import FileMistakes, load_chain, load_experiment

CHAIN = """\
chain: shop
deadline: 5s
entry: gateway
links:
  gateway: {role: gateway, calls: {authorise: {to: issuer}}}
  issuer: {role: issuer}
"""
EXPERIMENT = """\
experiment: calm
load: {arrivals: 20/s, before: 1s, after: 1s}
faults: [{at: 0s, for: 5s, target: {link: a}, down: {}}]
tolerances: {}
"""


def lines_of(tmp_path: Path, data: str | bytes) -> list[str]:
    path = tmp_path / "file.yaml"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    is_chain = b"chain" in path.read_bytes()[:20].replace(b"\0", b"")
    with pytest.raises(FileMistakes) as caught:
        load_chain(str(path)) if is_chain else load_experiment(str(path))
    return [line.removeprefix(f"{path}:") for line in caught.value.lines]


@pytest.mark.parametrize(
    ("whole", "old", "new", "message"),
    [
        (CHAIN, "5s", "~", "2:11: 'deadline' has no value; write one such as 300ms, 2s or 1m30s"),
        (CHAIN, " 5s", "", "2:10: 'deadline' has no value; write one such as 300ms, 2s or 1m30s"),
        (CHAIN, "shop", "~", "1:8: 'chain' has no value; write one, or remove the key"),
        (CHAIN, "role: issuer", "role: ~", "6:18: 'role' has no value; write one, or"),
        (EXPERIMENT, "20/s", "~", "2:7: the load has neither arrivals nor users; write"),
        (EXPERIMENT, "for: 5s", "for: ~", "3:24: 'for' has no value; write one such as 300ms"),
    ],
)
def test_a_key_without_a_value_is_said_to_have_none(
    tmp_path: Path, whole: str, old: str, new: str, message: str
) -> None:
    assert lines_of(tmp_path, whole.replace(old, new, 1))[0].startswith(message)


def test_a_mapping_of_names_without_any_lists_no_keys(tmp_path: Path) -> None:
    found = lines_of(tmp_path, CHAIN.partition("  gateway:")[0])
    assert found == ["4:7: 'links' must be a mapping, not nothing; write key: value lines"]


def test_a_name_of_the_wrong_form_is_shown_where_it_stands(tmp_path: Path) -> None:
    found = lines_of(tmp_path, CHAIN.replace("issuer: {", "The-Bank: {").replace("to: i", "to: I"))
    assert "6:3: name: 'The-Bank' has the wrong form; write small letters, digits and" in found[-1]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("down: {every: 10s}", "3:54: 'every' is not allowed here; move it beside 'down'"),
        ("down: {duration: 3s}", "3:54: unknown key 'duration'; did you mean 'for', beside 'down"),
        ("latency: {latency: 1s}", "3:57: unknown key 'latency'; did you mean 'delay'?"),
        ("slice: {average_size: 5}", "3:55: unknown key 'average_size'; did you mean 'size'?"),
        ("http_error: {code: 500}", "3:60: unknown key 'code'; did you mean 'status'?"),
        (
            "latency: {down: {}}",
            "3:57: unknown key 'down'; the keys here are: share, delay, jitter",
        ),
    ],
)
def test_keys_that_other_tools_have_and_keys_one_level_too_deep(
    tmp_path: Path, fault: str, message: str
) -> None:
    found = lines_of(tmp_path, EXPERIMENT.replace("down: {}", fault))
    assert any(line.startswith(message) for line in found), found


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_other_encodings_of_unicode_are_named_with_or_without_their_mark(
    tmp_path: Path, encoding: str
) -> None:
    found = lines_of(tmp_path, CHAIN.encode(encoding))
    assert found == ["1:1: not UTF-8 text; save the file as UTF-8"]
