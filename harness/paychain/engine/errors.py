"""What a fault engine can fail with: apart from its client, which virtual time does not import."""

from __future__ import annotations


class EngineError(Exception):
    """The engine refused, failed or did not answer. `status` is 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
