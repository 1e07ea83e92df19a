"""Signed runs: what is tampered with is refused, and openssl and sha256sum can tell it alone."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from google.protobuf.json_format import ParseDict
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementProto

from paychain.payments.errors import UserError
from paychain.report.evidence.dsse import (
    BadEnvelope,
    new_key,
    opened,
    pre_authentication,
    private_key,
    public_key,
    sign,
)
from paychain.report.evidence.files import (
    SUMS,
    TIMESTAMP,
    read_sums,
    sign_run,
)
from paychain.report.evidence.history import ENVELOPES, is_signed
from paychain.report.evidence.timestamp import stamp
from paychain.report.evidence.verification import verify_run
from paychain.report.outputs import render_again
from paychain.report.result import FILE_NAME
from tests.support.paths import DOCS, SAMPLE
from tests.support.signed_runs import (
    KEY,
    OTHER,
    PUBLIC,
    add,
    change_the_payload,
    complaints,
    drop_our_statement,
    edit,
    edit_nested_sums,
    edit_sums,
    remove,
    rename,
    repeat_our_statement,
    rewrite_file_and_sums,
    run_at,
)

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = run_at(tmp_path, "20261124T100000Z-shop-steady")
    sign_run(run, KEY)
    return run


def test_a_signed_run_is_sound_and_says_its_verdict(run: Path) -> None:
    verified = verify_run(run, [OTHER.public_key(), PUBLIC])
    assert verified.is_sound
    assert verified.facts["verdict"] == json.loads((run / FILE_NAME).read_text())["verdict"]


def test_a_run_is_named_where_it_is_the_working_folder(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run)
    verified = verify_run(Path(), [PUBLIC])
    assert (verified.is_sound, verified.run) == (True, run.name)


def test_another_key_is_not_trusted(run: Path) -> None:
    verified = verify_run(run, [OTHER.public_key()])
    assert "not signed by a trusted key" in verified.complaints[0]
    assert verified.facts == {}


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (edit, "report.html was changed"),
        (add, "inputs/more.yaml was added"),
        (remove, "inputs/chain.yaml is missing"),
        (edit_nested_sums, f"inputs/{SUMS} was changed"),
        (edit_sums, f"{SUMS} was changed"),
        (rewrite_file_and_sums, "report.html was changed"),
        (drop_our_statement, "no statement about the run"),
        (repeat_our_statement, "more than one statement"),
        (change_the_payload, "not signed by a trusted key"),
        (rename, "the folder is named"),
    ],
)
def test_tampering_is_refused(run: Path, tamper: Callable[[Path], None], message: str) -> None:
    tamper(run)
    left = run if run.exists() else next(run.parent.iterdir())
    assert message in complaints(left)


def test_a_file_that_was_added_is_not_read_however_large(run: Path) -> None:
    with (run / "padding").open("wb") as file:
        file.truncate(2**42)  # 4 TiB of nothing
    assert verify_run(run, [PUBLIC]).complaints[0] == "padding was added"


def test_a_symbolic_link_is_refused(run: Path) -> None:
    (run / "report.html").unlink()
    (run / "report.html").symlink_to(SAMPLE / "report.html")
    with pytest.raises(UserError, match="symbolic link"):
        verify_run(run, [PUBLIC])


@pytest.mark.parametrize(
    "line", ["0" * 64 + "  ../x\n", "0" * 64 + "  /etc/passwd\n", "0" * 64 + " x\n", "short\n"]
)
def test_sums_that_lead_out_of_the_run_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / SUMS).write_text(line)
    with pytest.raises(UserError, match="not a line"):
        read_sums(tmp_path)


def test_a_signed_run_is_not_signed_again(run: Path) -> None:
    with pytest.raises(UserError, match="already signed"):
        sign_run(run, KEY)


def test_a_run_under_another_name_is_not_signed(tmp_path: Path) -> None:
    run = run_at(tmp_path, "20261124T100000Z-shop-steady").rename(tmp_path / "artifact")
    with pytest.raises(
        UserError, match="artifact is the run 20261124T100000Z-shop-steady under another name"
    ):
        sign_run(run, KEY)
    assert not is_signed(run)


@pytest.mark.parametrize(
    "line", ["", "{}", "[]", "nonsense", '{"payload": "*", "payloadType": ""}']
)
def test_what_is_no_envelope_is_refused(line: str) -> None:
    with pytest.raises(BadEnvelope):
        opened(line, [PUBLIC])


def test_url_safe_base64_and_unknown_fields_are_accepted() -> None:
    envelope = sign('{"ÿ": "???>>>"}'.encode(), KEY)
    for part in (envelope, envelope["signatures"][0]):
        for name in ("payload", "sig"):
            if name in part:
                part[name] = part[name].replace("+", "-").replace("/", "_")
        part["more"] = 1
    assert opened(json.dumps(envelope), [PUBLIC]).startswith(b"{")


def test_the_bytes_that_are_signed_are_those_of_the_protocol() -> None:
    # The example of the DSSE protocol's own text.
    assert pre_authentication("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_a_key_is_private_and_never_overwritten(tmp_path: Path) -> None:
    private, public = tmp_path / "keys" / "k", tmp_path / "keys" / "k.pub"
    new_key(private, public)
    assert private.stat().st_mode & 0o077 == 0
    envelope = sign(b"{}", private_key(private.read_bytes(), "k"))
    assert opened(json.dumps(envelope), [public_key(public)]) == b"{}"
    with pytest.raises(UserError, match="already exists"):
        new_key(private, public)
    with pytest.raises(UserError, match="is not a private key"):
        private_key(public.read_bytes(), "k.pub")


def test_a_signed_run_is_not_rendered_again(run: Path) -> None:
    with pytest.raises(UserError, match="must not change"):
        render_again(run)


def test_nothing_is_written_through_a_link_in_a_run(tmp_path: Path) -> None:
    run, theirs = tmp_path / "run", tmp_path / "notes"
    run.mkdir()
    theirs.write_text("mine")
    shutil.copy(SAMPLE / "result.json", run)
    for name in ("summary.md", "report.html", "junit.xml", SUMS):
        (run / name).symlink_to(theirs)
    (run / SUMS).unlink()  # with it a link is refused before anything is written
    render_again(run)
    assert theirs.read_text() == "mine"
    assert not (run / "summary.md").is_symlink()


def test_every_output_has_its_digest(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE, tmp_path / "run")
    render_again(tmp_path / "run")
    assert {"result.json", "report.html", "junit.xml"} <= read_sums(tmp_path / "run").keys()


# -- other people's tools -------------------------------------------------------------------------
def test_the_statements_are_in_toto_statements(run: Path) -> None:
    for line in (run / ENVELOPES).read_text().splitlines():
        statement = json.loads(opened(line, [PUBLIC]))
        Statement.copy_from_pb(ParseDict(statement, StatementProto())).validate()


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_sha256sum_alone_checks_the_files(run: Path) -> None:
    command = ["sha256sum", "--check", "--strict", "--quiet", SUMS]
    assert subprocess.run(command, cwd=run, check=False).returncode == 0
    edit(run)
    done = subprocess.run(command, cwd=run, check=False, capture_output=True)
    assert done.returncode != 0


@needs_openssl
def test_openssl_alone_checks_the_signature(run: Path, tmp_path: Path) -> None:
    envelope = json.loads((run / ENVELOPES).read_text().splitlines()[0])
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"]
    (tmp_path / "pae").write_bytes(f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload)
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    (tmp_path / "pub").write_bytes(
        PUBLIC.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    command = [
        "openssl",
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        "pub",
        "-rawin",
        "-in",
        "pae",
        "-sigfile",
        "sig",
    ]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert "Verified Successfully" in done.stdout


@needs_openssl
@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    "tamper",
    [
        None,
        edit,
        add,
        remove,
        lambda run: (run / "report.pdf").write_bytes(b"forged"),
        lambda run: (run / "another").symlink_to("report.html"),
        lambda run: os.mkfifo(run / "pipe"),
        lambda run: (run / "more").mkdir(),
        edit_sums,
        rewrite_file_and_sums,
        change_the_payload,
        drop_our_statement,
        repeat_our_statement,
    ],
)
def test_the_documented_commands_check_a_run_as_a_script(
    run: Path, tmp_path: Path, tamper: Callable[[Path], object] | None, shell: str
) -> None:
    document = (DOCS / "evidence.md").read_text("utf-8")
    script = tmp_path / "check.sh"
    script.write_text(document.partition("```sh\n")[2].partition("```")[0])
    key = tmp_path / "key.pub"
    encoding = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    key.write_bytes(PUBLIC.public_bytes(*encoding))
    if tamper is not None:
        tamper(run)
    before = sorted(run.rglob("*"))
    done = subprocess.run(
        [shell, str(script)],  # without -e: the commands look after themselves
        cwd=run,
        check=False,
        capture_output=True,
        env={**os.environ, "KEY": str(key)},
        timeout=30,
    )
    assert (done.returncode == 0) is (tamper is None), done.stderr
    assert sorted(run.rglob("*")) == before


TSA = """\
[req]
distinguished_name = name
x509_extensions = tsa
[name]
[tsa]
extendedKeyUsage = critical,timeStamping
basicConstraints = CA:true
[service]
serial = ./serial
default_policy = 1.2.3.4
digests = sha256, sha512
signer_digest = sha256
ess_cert_id_alg = sha256
crypto_device = builtin
signer_cert = ./tsa.pem
certs = ./tsa.pem
signer_key = ./tsa.key
"""


@needs_openssl
def test_openssl_alone_checks_a_time_stamp(run: Path, tmp_path: Path) -> None:
    tsa = tmp_path / "tsa"
    tsa.mkdir()
    (tsa / "conf").write_text(TSA)
    (tsa / "serial").write_text("01")

    def openssl(*words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["openssl", *words], cwd=tsa, check=False, capture_output=True)

    made = openssl(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "tsa.key",
        "-out",
        "tsa.pem",
        "-subj",
        "/CN=test stamps",
        "-config",
        "conf",
    )
    assert made.returncode == 0, made.stderr

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["content-length"]))
            (tsa / "query").write_bytes(query)
            openssl(
                "ts",
                "-reply",
                "-queryfile",
                "query",
                "-out",
                "reply",
                "-config",
                "conf",
                "-section",
                "service",
            )
            self.send_response(200)
            self.end_headers()
            self.wfile.write((tsa / "reply").read_bytes())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            stamp(run, f"http://127.0.0.1:{server.server_address[1]}/")
        finally:
            server.shutdown()
            thread.join()
    assert verify_run(run, [PUBLIC]).is_sound  # the token stands outside what was signed
    check = (
        "ts",
        "-verify",
        "-data",
        str(run / ENVELOPES),
        "-in",
        str(run / TIMESTAMP),
        "-CAfile",
        "tsa.pem",
    )
    assert openssl(*check).returncode == 0
    (run / ENVELOPES).write_text((run / ENVELOPES).read_text() + " ")
    assert openssl(*check).returncode != 0
