"""A token of an RFC 3161 time-stamping service: when a run was signed, said by somebody else."""

from __future__ import annotations

from pathlib import Path

import requests

from harness.payments.errors import UserError
from harness.report.evidence import ENVELOPES, TIMESTAMP

TIMEOUT_S = (5.0, 30.0)
MAX_TOKEN_BYTES = 100_000


def stamp(run: Path, url: str) -> Path:
    """Have a run's statements time-stamped. Raises UserError when the service does not.

    Only the digest of the statements is sent. The token can be checked by openssl alone:
    `openssl ts -verify -data run.intoto.jsonl -in run.intoto.jsonl.tsr -CAfile tsa.pem`.
    """
    try:
        from rfc3161_client import (  # type: ignore[import-not-found, unused-ignore]
            TimestampRequestBuilder,
            decode_timestamp_response,
        )
    except ImportError as error:
        mend = "pip install 'paychain[timestamp]'"
        raise UserError("time stamps need an extra package", mend=mend) from error
    query = TimestampRequestBuilder().data((run / ENVELOPES).read_bytes()).build()
    try:
        response = requests.post(
            url, data=query.as_bytes(), timeout=TIMEOUT_S,
            headers={"content-type": "application/timestamp-query"},
        )  # fmt: skip
        response.raise_for_status()
    except requests.RequestException as error:
        raise UserError(f"{url} gave no time stamp: {type(error).__name__}") from error
    token = response.content
    try:
        granted = decode_timestamp_response(token[:MAX_TOKEN_BYTES])
    except ValueError as error:
        raise UserError(f"{url} answered something that is no time stamp") from error
    if granted.status not in (0, 1):  # granted, granted with modifications (RFC 3161 §2.4.2)
        raise UserError(f"{url} refused to stamp (status {granted.status})")
    path = run / TIMESTAMP
    path.write_bytes(token)
    return path
