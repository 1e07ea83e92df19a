"""Which runs are signed, what a statement is taken for, and the order and end of their history."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from paychain.payments.errors import UserError
from paychain.report.evidence.dsse import (
    new_key,
    opened,
    public_key,
    read_private_key,
    sign,
)
from paychain.report.evidence.files import SUMS, TIMESTAMP, sign_run, write_sums
from paychain.report.evidence.history import ENVELOPES
from paychain.report.evidence.verification import extent, verify_history, verify_run
from paychain.report.outputs import render_again
from paychain.report.result import FILE_NAME
from tests.support.signed_runs import (
    KEY,
    PUBLIC,
    add,
    complaints,
    edit,
    remove,
    rewrite_file_and_sums,
    run_at,
    three_runs,
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = run_at(tmp_path, "20261124T100000Z-shop-steady")
    sign_run(run, KEY)
    return run


# -- history --------------------------------------------------------------------------------------
def test_runs_follow_one_another(tmp_path: Path) -> None:
    three_runs(tmp_path)
    assert all(each.is_sound for each in verify_history(tmp_path, [PUBLIC]))


def test_a_removed_run_breaks_the_history(tmp_path: Path) -> None:
    runs = three_runs(tmp_path)
    shutil.rmtree(runs[1])
    _, last = verify_history(tmp_path, [PUBLIC])
    assert "the previous run, 20261122T100000Z-shop-steady, is missing" in last.complaints[0]


def test_a_removed_first_run_breaks_the_history(tmp_path: Path) -> None:
    shutil.rmtree(three_runs(tmp_path)[0])
    first, last = verify_history(tmp_path, [PUBLIC])
    assert "is missing" in first.complaints[0]
    assert last.is_sound


def test_a_rewritten_run_breaks_the_history(tmp_path: Path) -> None:
    runs = three_runs(tmp_path)
    (runs[1] / ENVELOPES).unlink()
    rewrite_file_and_sums(runs[1])
    sign_run(runs[1], KEY)
    found = {each.run: each for each in verify_history(tmp_path, [PUBLIC])}
    assert found[runs[1].name].is_sound  # it is signed anew, but the one after it remembers
    assert "was rewritten" in found[runs[2].name].complaints[0]


def test_an_unsigned_run_shows_in_the_history(tmp_path: Path) -> None:
    three_runs(tmp_path)
    run_at(tmp_path, "20261124T100000Z-shop-steady")
    assert verify_history(tmp_path, [PUBLIC])[-1].complaints == ("not signed",)


# -- what is not signed, and what is not taken for signed -----------------------------------------
def unsigned(folder: Path) -> Path:
    return run_at(folder, "20261124T100000Z-shop-steady")


def claim(run: Path, **changes: object) -> None:
    """Change the result, and the sums with it."""
    result = json.loads((run / FILE_NAME).read_text("utf-8"))
    (run / FILE_NAME).write_text(json.dumps(result | changes), "utf-8")
    write_sums(run)


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (edit, "report.html was changed"),
        (add, "inputs/more.yaml was added"),
        (remove, "inputs/chain.yaml is missing"),
        (lambda run: (run / SUMS).unlink(), "has no readable SHA256SUMS"),
        (lambda run: os.mkfifo(run / "pipe"), "is not a plain file"),
        (lambda run: (run / "more").mkdir(), "is an empty folder"),
        (lambda run: (run / "a\nb").write_text("x"), "a name that cannot be a line"),
        (lambda run: claim(run, verdict="pass"), "it passed, but failed: "),
        (lambda run: claim(run, verdict="inconclusive", reasons=[]), "without a reason"),
        (lambda run: (remove(run), write_sums(run)), "chain.yaml, which was run, is not among"),
    ],
)
def test_a_run_that_is_not_what_it_wrote_is_not_signed(
    tmp_path: Path, tamper: Callable[[Path], object], message: str
) -> None:
    run = unsigned(tmp_path)
    tamper(run)
    with pytest.raises(UserError, match=re.escape(message)):
        sign_run(run, KEY)
    assert not (run / ENVELOPES).exists()


def test_rendering_again_does_not_bless_a_changed_result(tmp_path: Path) -> None:
    run = unsigned(tmp_path)
    text = (run / FILE_NAME).read_text("utf-8")
    (run / FILE_NAME).write_text(text.replace('"fail"', '"pass"'), "utf-8")
    with pytest.raises(UserError, match=r"result\.json was changed"):
        render_again(run)
    (run / FILE_NAME).write_text(text, "utf-8")
    (run / "report.html").write_text("what is rendered may be rendered again")
    render_again(run)
    sign_run(run, KEY)


def test_each_statement_is_of_this_run_and_says_the_same(tmp_path: Path) -> None:
    first, second = (run_at(tmp_path / name, "20261124T100000Z-shop-steady") for name in ("a", "b"))
    claim(second, reasons=["another run"])
    sign_run(first, KEY)
    sign_run(second, KEY)
    lines = [(run / ENVELOPES).read_text().splitlines(keepends=True) for run in (first, second)]
    for statements, message in (
        (lines[0][:1], "no test result from a trusted key"),
        ([*lines[0], lines[0][1]], "more than one test result"),
        ([lines[0][0], lines[1][1]], "the test result is of another run"),
    ):
        (first / ENVELOPES).write_text("".join(statements))
        assert message in complaints(first)
    for change, message in (
        ({"result": "PASSED"}, "contradicts the statement"),
        ({"run": "another"}, "is of another run"),
        ({"failedTests": []}, "contradicts the statement"),
    ):
        statement = json.loads(opened(lines[0][1], [PUBLIC]))
        statement["predicate"] |= change
        forged = json.dumps(sign(json.dumps(statement).encode(), KEY))
        (first / ENVELOPES).write_text(f"{lines[0][0]}{forged}\n")
        assert message in complaints(first)
    other = json.dumps(sign(json.dumps(statement | {"predicateType": "x"}).encode(), KEY))
    (first / ENVELOPES).write_text("".join([*lines[0], other, "\n"]))
    assert "a statement of another kind" in complaints(first)


def test_a_signed_pass_whose_checks_failed_is_refused(run: Path) -> None:
    first, second = (run / ENVELOPES).read_text().splitlines()
    statements = [json.loads(opened(line, [PUBLIC])) for line in (first, second)]
    statements[0]["predicate"]["verdict"] = "pass"
    statements[1]["predicate"]["result"] = "PASSED"
    signed = [json.dumps(sign(json.dumps(each).encode(), KEY)) for each in statements]
    (run / ENVELOPES).write_text("\n".join(signed))
    assert "its verdict is pass, but failed: " in complaints(run)


def test_a_statement_that_two_readers_could_take_differently_is_refused(run: Path) -> None:
    first, second = (run / ENVELOPES).read_text().splitlines()
    twice = first.replace('{"payload"', '{"payload": "e30=", "payload"', 1)
    (run / ENVELOPES).write_text(f"{twice}\n{second}\n")
    assert "not a DSSE envelope" in complaints(run)


def test_what_is_no_file_of_statements_is_refused_at_once(run: Path) -> None:
    (run / ENVELOPES).unlink()
    os.mkfifo(run / ENVELOPES)
    with pytest.raises(UserError, match="is not a plain file"):
        verify_run(run, [PUBLIC])
    (run / ENVELOPES).unlink()
    (run / ENVELOPES).mkdir()
    with pytest.raises(UserError, match="is a folder"):
        verify_run(run, [PUBLIC])
    assert "is a folder" in verify_history(run.parent, [PUBLIC])[0].complaints[0]


def test_a_time_stamp_of_something_else_is_refused(run: Path) -> None:
    (run / TIMESTAMP).write_bytes(b"a forged token")
    assert f"{TIMESTAMP} is not a timestamp of these statements" in complaints(run)
    digest = hashlib.sha256((run / ENVELOPES).read_bytes()).digest()
    (run / TIMESTAMP).write_bytes(b"somebody says " + digest)
    verified = verify_run(run, [PUBLIC])
    assert verified.is_sound
    assert "openssl ts -verify" in verified.notes[0]  # who says so is not known here


# -- the end of a history -------------------------------------------------------------------------
def test_a_history_without_its_newest_run_is_known_by_its_head_and_its_length(
    tmp_path: Path,
) -> None:
    runs = three_runs(tmp_path)
    (head,) = extent(tmp_path).heads
    assert head.run == runs[2]
    assert extent(tmp_path, head=head.digest, at_least=3).complaints == ()
    later = run_at(tmp_path, "20261124T100000Z-shop-steady")
    sign_run(later, KEY)
    assert extent(tmp_path, head=head.digest).complaints == ()  # an older head is still there
    shutil.rmtree(later)
    shutil.rmtree(runs[2])
    assert all(each.is_sound for each in verify_history(tmp_path, [PUBLIC]))
    assert "is missing" in extent(tmp_path, head=head.digest).complaints[0]
    assert extent(tmp_path, at_least=3).complaints == ("2 signed runs, at least 3 were expected",)


def test_a_folder_without_a_run_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no run"):
        verify_history(tmp_path, [PUBLIC])


def test_runs_beside_each_other_and_clocks_that_go_back_are_no_tampering(tmp_path: Path) -> None:
    names = [f"2026112{day}T100000Z-shop-steady" for day in (3, 1, 2)]
    for name in names:  # the order in which they end is not that of their names
        sign_run(run_at(tmp_path, name), KEY)
    found = verify_history(tmp_path, [PUBLIC])
    assert all(each.is_sound for each in found), found
    assert [each.run for each in found] == names
    assert extent(tmp_path).heads[0].run.name == names[-1]


SIGNS = """
import sys
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paychain.report.evidence.files import sign_run
for run in sys.argv[1:]:
    sign_run(Path(run), Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
"""


def test_processes_that_sign_at_once_make_one_history(tmp_path: Path) -> None:
    runs = [str(run_at(tmp_path, f"202611{day}T100000Z-shop-steady")) for day in range(10, 18)]
    signers = [
        subprocess.Popen([sys.executable, "-c", SIGNS, *runs[start::2]]) for start in range(2)
    ]
    assert [signer.wait(110) for signer in signers] == [0, 0]
    assert all(each.is_sound for each in verify_history(tmp_path, [PUBLIC]))
    assert len(extent(tmp_path).heads) == 1


def test_a_history_that_forks_shows_both_ends(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        sign_run(run_at(tmp_path / folder, "20261121T100000Z-shop-steady"), KEY)
        sign_run(run_at(tmp_path / folder, f"20261122T100000Z-shop-{folder}"), KEY)
    (fork,) = (tmp_path / "b").glob("*-shop-b")
    shutil.move(fork, tmp_path / "a" / fork.name)
    found = verify_history(tmp_path / "a", [PUBLIC])
    assert [each.is_sound for each in found] == [True, True, False]
    assert "which 20261122T100000Z-shop-a follows, too" in found[2].complaints[0]
    assert len(extent(tmp_path / "a").heads) == 2


# -- keys --------------------------------------------------------------------------------------
def test_a_key_that_others_could_have_written_is_refused(tmp_path: Path) -> None:
    private, public = tmp_path / "k", tmp_path / "k.pub"
    new_key(private, public)
    for mode in (0o602, 0o620, 0o666):
        private.chmod(mode)
        with pytest.raises(UserError, match="other accounts can write"):
            read_private_key(private)
    private.chmod(0o400)
    read_private_key(private)


def test_a_new_key_follows_no_link_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    (tmp_path / "k").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="k already exists"):
        new_key(tmp_path / "k", tmp_path / "k.pub")
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "l.pub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"l\.pub already exists"):
        new_key(tmp_path / "l", tmp_path / "l.pub")
    assert not (tmp_path / "l").exists()


def test_a_key_is_read_up_to_a_limit(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="larger than 64 kB"):
        read_private_key(Path("/dev/zero"))
    with pytest.raises(UserError, match="larger than 64 kB"):
        public_key(Path("/dev/zero"))
    with pytest.raises(UserError, match="is a folder"):
        read_private_key(tmp_path)


def test_an_encrypted_key_is_called_that(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_bytes(
        KEY.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    path.chmod(0o600)
    with pytest.raises(UserError, match="is encrypted"):
        read_private_key(path)
