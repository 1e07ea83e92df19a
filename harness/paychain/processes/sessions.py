"""HTTP between processes of a run. Apart from loopback.py: virtual time imports no HTTP client."""

from __future__ import annotations

import requests
from requests.auth import AuthBase

from paychain.processes.deadlines import WholeAnswers
from paychain.processes.tokens import bearer

# How long a process of a session by hand may take to answer: no timeline waits for it, and a slow
# machine must not end the session. What has died is noticed at once.
PATIENT_S = 30.0


class BearerAuth(AuthBase):
    """Sends a token with every request, over loopback only."""

    def __init__(self, token: str) -> None:
        self._header = bearer(token)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token to a request that is about to be sent."""
        request.headers["Authorization"] = self._header
        return request


def direct_session(auth: AuthBase | None = None) -> requests.Session:
    """A session that never goes through a proxy of the environment: that could not reach us.

    The time limit that each of its requests must have is for the whole answer.
    """
    session = requests.Session()
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, WholeAnswers())
    session.auth = auth
    return session
