"""`json-rpc`: a node as web3.py, ethers and viem meet it. See docs/json-rpc.md.

api ─▶ signed   raw bytes become a transfer
    ─▶ copy     what the node knows of the ledger
    ─▶ methods ─▶ shapes   what it answers
    ─▶ words, terms        how it refuses: the node's client, and whoever sells access to it
"""

from paychain.protocol.dialects.json_rpc.api import JsonRpc

__all__ = ["JsonRpc"]
