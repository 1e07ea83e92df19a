"""HTTP between processes of a run. Apart from loopback.py: virtual time imports no HTTP client."""

from __future__ import annotations

import requests
from requests.auth import AuthBase


def direct_session(auth: AuthBase | None = None) -> requests.Session:
    """A session that never goes through a proxy of the environment: that could not reach us."""
    session = requests.Session()
    session.trust_env = False
    session.auth = auth
    return session
