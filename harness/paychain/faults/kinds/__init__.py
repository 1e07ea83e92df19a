"""Every fault kind: a new one is a module like lost_answer.py and a line here."""

from __future__ import annotations

from paychain.faults.kind import FaultKind
from paychain.faults.kinds.bandwidth import Bandwidth
from paychain.faults.kinds.blackhole import Blackhole
from paychain.faults.kinds.crash import Crash
from paychain.faults.kinds.cut_after import CutAfter
from paychain.faults.kinds.decline import Decline
from paychain.faults.kinds.deemed import Deemed
from paychain.faults.kinds.double_credit import DoubleCredit
from paychain.faults.kinds.down import Down
from paychain.faults.kinds.drops import Drops
from paychain.faults.kinds.duplicate_answer import DuplicateAnswer
from paychain.faults.kinds.duplicate_request import DuplicateRequest
from paychain.faults.kinds.fee_spike import FeeSpike
from paychain.faults.kinds.fork import Fork
from paychain.faults.kinds.freeze import Freeze
from paychain.faults.kinds.gray import Gray
from paychain.faults.kinds.halt import Halt
from paychain.faults.kinds.http_error import HttpError
from paychain.faults.kinds.late_answer import LateAnswer
from paychain.faults.kinds.late_credit import LateCredit
from paychain.faults.kinds.latency import Latency
from paychain.faults.kinds.lies import Lies
from paychain.faults.kinds.lost_answer import LostAnswer
from paychain.faults.kinds.malformed import Malformed
from paychain.faults.kinds.no_finality import NoFinality
from paychain.faults.kinds.price_jump import PriceJump
from paychain.faults.kinds.rate_limit import RateLimit
from paychain.faults.kinds.refuse import Refuse
from paychain.faults.kinds.reorg import Reorg
from paychain.faults.kinds.reset import Reset
from paychain.faults.kinds.reverts import Reverts
from paychain.faults.kinds.slice import Slice
from paychain.faults.kinds.slow_answer import SlowAnswer
from paychain.faults.kinds.slow_close import SlowClose
from paychain.faults.kinds.stale_answer import StaleAnswer
from paychain.faults.kinds.stuck_pending import StuckPending
from paychain.faults.kinds.wrong_answer import WrongAnswer
from paychain.faults.kinds.wrong_network import WrongNetwork

# In the order in which the board lists them: first on hops, then in links.
KINDS: dict[str, type[FaultKind]] = {
    "down": Down,
    "refuse": Refuse,
    "blackhole": Blackhole,
    "latency": Latency,
    "bandwidth": Bandwidth,
    "slow_close": SlowClose,
    "reset": Reset,
    "slice": Slice,
    "cut_after": CutAfter,
    "http_error": HttpError,
    "rate_limit": RateLimit,
    "decline": Decline,
    "slow_answer": SlowAnswer,
    "late_answer": LateAnswer,
    "lost_answer": LostAnswer,
    "duplicate_answer": DuplicateAnswer,
    "duplicate_request": DuplicateRequest,
    "wrong_answer": WrongAnswer,
    "stale_answer": StaleAnswer,
    "malformed": Malformed,
    "stuck_pending": StuckPending,
    "gray": Gray,
    "crash": Crash,
    "freeze": Freeze,
    "halt": Halt,
    "reorg": Reorg,
    "fee_spike": FeeSpike,
    "no_finality": NoFinality,
    "reverts": Reverts,
    "drops": Drops,
    "fork": Fork,
    "price_jump": PriceJump,
    "lies": Lies,
    "wrong_network": WrongNetwork,
    "deemed": Deemed,
    "late_credit": LateCredit,
    "double_credit": DoubleCredit,
}
