"""When a move of money is final, as data: at once, after some blocks, or once a time is over.

Source: docs/domain.md §1.8; docs/crypto.md.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finality:
    """When a move cannot be undone any more: once both conditions hold.

    `after_blocks`: that many blocks follow the one with the move. `until_s`: that many seconds have
    passed since it. Both 0: at once.
    """

    after_blocks: int = 0
    until_s: float = 0.0

    def __post_init__(self) -> None:
        """Hold what a ledger may rely on."""
        assert self.after_blocks >= 0
        assert self.until_s >= 0

    @property
    def is_at_once(self) -> bool:
        """Whether every move is final as soon as it is made."""
        return self == AT_ONCE

    @property
    def comes_with_block(self) -> bool:
        """Whether no block is made that the next one does not make final."""
        return self.after_blocks <= 1 and not self.until_s

    def is_final(self, *, blocks_since: int, seconds_since: float) -> bool:
        """Whether a move of so long ago is final."""
        return blocks_since >= self.after_blocks and seconds_since >= self.until_s


AT_ONCE = Finality()
