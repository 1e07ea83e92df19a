"""RFC 3161 timestamps: a third party confirms when a run was signed."""

from __future__ import annotations

from pathlib import Path

import requests

from paychain.payments.errors import UserError
from paychain.processes.files import write_atomically
from paychain.processes.posting import no_answer, post
from paychain.report.evidence.files import TIMESTAMP
from paychain.report.evidence.history import ENVELOPES

WITHIN_S = 30.0  # for the whole answer
MAX_TOKEN_BYTES = 100_000  # real tokens are a few kB


def stamp(run: Path, url: str) -> Path:
    """Have the statements of a run timestamped by the service at `url`. Returns the token's path.

    Only the digest of the statements is sent. Raises UserError when the service does not respond
    with a timestamp. The token can be checked with openssl alone:
    `openssl ts -verify -data run.intoto.jsonl -in run.intoto.jsonl.tsr -CAfile tsa.pem`.
    """
    try:
        # mypy has to pass without the extra as well.
        from rfc3161_client import (  # type: ignore[import-not-found, unused-ignore]  # an extra
            TimestampRequestBuilder,
            decode_timestamp_response,
        )
    except ImportError as error:
        hint = "pip install 'paychain[timestamp]'"
        raise UserError("timestamps need an extra package", hint=hint) from error
    query = TimestampRequestBuilder().data((run / ENVELOPES).read_bytes()).build()
    try:
        with requests.Session() as session:
            response = post(
                session,
                url,
                data=query.as_bytes(),
                headers={"content-type": "application/timestamp-query"},
                within_s=WITHIN_S,
                max_bytes=MAX_TOKEN_BYTES,
            )
    except requests.RequestException as error:
        raise UserError(f"no timestamp: {url} {no_answer(error, WITHIN_S)}") from error
    if not response.is_success:
        raise UserError(f"no timestamp: {url} answered {response.status}")
    token = response.content
    try:
        granted = decode_timestamp_response(token)
    except ValueError as error:
        raise UserError(f"the response of {url} is not a timestamp") from error
    if granted.status not in (0, 1):  # granted, granted with modifications (RFC 3161 §2.4.2)
        raise UserError(f"{url} refused the timestamp (status {granted.status})")
    path = run / TIMESTAMP
    write_atomically(path, token)
    return path
