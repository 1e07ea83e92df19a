"""What the observers of an engine share: the run's clock and ids, and where exchanges go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from paychain.payments.attribution import PaymentIds
from paychain.payments.exchanges import HttpExchange
from paychain.toxics.observer import Observer, ProxyFaults

Record = Callable[[HttpExchange], None]


@dataclass(frozen=True)
class Observation:
    """How a hop is observed. `now_ns`: a clock, which shows `epoch_ns` at the run's epoch.

    `is_blind`: what is behind the hop notes nothing of its requests.
    """

    ids: PaymentIds
    record: Record
    now_ns: Callable[[], int]
    epoch_ns: int = 0
    is_blind: bool = False

    def observer(
        self,
        hop: str,
        connection: int,
        switched: ProxyFaults,
        gave_up: Callable[[str], None],
    ) -> Observer:
        """What reads one connection of a hop."""
        return Observer(
            hop,
            connection,
            self.ids,
            record=self.record,
            now_ns=self.now_ns,
            switched=switched,
            epoch_ns=self.epoch_ns,
            gave_up=gave_up,
            is_blind=self.is_blind,
        )
