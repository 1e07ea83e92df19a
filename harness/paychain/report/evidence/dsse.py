"""Signed statements: DSSE envelopes with Ed25519, and the keys they are made with.

Source: the DSSE protocol 1.0.2. A key id is a hint and never decides anything.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from paychain.declaration.reading import read_bounded
from paychain.payments.errors import UserError
from paychain.report.evidence.history import MAX_ENVELOPE_BYTES

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_KEY_BYTES = 64_000  # of a PEM file
_NEW_KEY = "create one: paychain keygen"


class BadEnvelope(Exception):
    """Not an envelope, or one that no trusted key signed."""


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: `DSSEv1`, then type and payload, each preceded by its length."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload: bytes, key: Ed25519PrivateKey) -> dict[str, Any]:
    """A signed envelope around a payload, as JSON data."""
    signature = key.sign(pre_authentication(PAYLOAD_TYPE, payload))
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [
            {"keyid": key_id(key.public_key()), "sig": base64.b64encode(signature).decode()}
        ],
    }


def opened(line: str, trusted: list[Ed25519PublicKey]) -> bytes:
    """The payload of an envelope that one of the trusted keys signed.

    Raises BadEnvelope otherwise. The payload is not read before its signature is verified.
    """
    if len(line) > MAX_ENVELOPE_BYTES:
        raise BadEnvelope("the envelope is too large")
    try:
        envelope = json.loads(line, object_pairs_hook=unambiguous)
        kind, payload = envelope["payloadType"], _decoded(envelope["payload"])
        signatures = [_decoded(signature["sig"]) for signature in envelope["signatures"]]
        signed = pre_authentication(kind, payload)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadEnvelope("not a DSSE envelope") from error
    if kind != PAYLOAD_TYPE:
        raise BadEnvelope(f"unknown payload type {kind!r}")
    if not any(_verifies(key, signature, signed) for key in trusted for signature in signatures):
        raise BadEnvelope("not signed by a trusted key")
    return payload


def unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys differ; two readers could take a repeated one differently.

    Raises ValueError.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _decoded(text: str) -> bytes:
    """Standard or URL-safe base64, both of which a verifier must accept."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _verifies(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def key_id(key: Ed25519PublicKey) -> str:
    """SHA-256 of the key's DER SubjectPublicKeyInfo."""
    encoding = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(*encoding)).hexdigest()


def new_key(private: Path, public: Path) -> str:
    """Create a key pair; only the owner can read the private key. Returns the key id.

    Raises UserError when a file exists or cannot be made: a key is never overwritten.
    """
    key = Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    shown = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        private.parent.mkdir(parents=True, exist_ok=True)
        _create(private, secret, 0o600)
        try:
            _create(public, shown, 0o644)
        except BaseException:
            private.unlink()
            raise
    except FileExistsError as error:
        raise UserError(
            f"{error.filename} already exists", hint="choose another name, or remove it"
        ) from error
    except OSError as error:
        raise UserError(f"cannot write {error.filename}: {error.strerror}") from error
    return key_id(key.public_key())


def _create(path: Path, data: bytes, mode: int) -> None:
    """Write a new file. A link counts as a file, also one that leads nowhere. Raises OSError."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123  (Path.open takes no descriptor)
        file.write(data)


def private_key(pem: bytes, where: str) -> Ed25519PrivateKey:
    """The Ed25519 private key in PEM data from `where`. Raises UserError when there is none."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise UserError(
            f"{where} is encrypted, and paychain cannot ask for a passphrase",
            hint="give the decrypted key: openssl pkey -in FILE",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UserError(f"{where} is not a private key", hint=_NEW_KEY) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(f"{where} is not an Ed25519 key", hint=_NEW_KEY)
    return key


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 private key in a PEM file.

    Raises UserError when there is none, or when other accounts could have put it there.
    """
    pem = _pem(path)
    mode = path.stat().st_mode
    if stat.S_ISREG(mode) and mode & (stat.S_IWGRP | stat.S_IWOTH) and sys.platform != "win32":
        raise UserError(f"other accounts can write {path}", hint=f"chmod 600 {path}")
    return private_key(pem, str(path))


def _pem(path: Path) -> bytes:
    try:
        return read_bounded(path, MAX_KEY_BYTES, may_be_pipe=True)  # such as <(vault read …)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def public_key(path: Path) -> Ed25519PublicKey:
    """The Ed25519 public key in a PEM file. Raises UserError when there is none."""
    pem = _pem(path)
    # Of several keys only the first would count.
    if pem.count(b"-----BEGIN ") > 1:
        raise UserError(f"{path} holds several keys", hint="give each a file and a --trust")
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UserError(f"{path} is not a public key", hint="use the .pub file") from error
    if not isinstance(key, Ed25519PublicKey):
        raise UserError(f"{path} is not an Ed25519 key", hint="create one: paychain keygen")
    return key
