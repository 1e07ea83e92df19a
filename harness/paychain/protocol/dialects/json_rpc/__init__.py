"""`json-rpc`: a node as web3.py, ethers and viem see it. See docs/json-rpc.md.

api ─▶ signed   raw bytes become a transfer
    ─▶ copy     the node's copy of the ledger
    ─▶ methods ─▶ shapes   what it answers
    ─▶ words, terms        how it refuses: as the node's client, or as the provider of access
"""

from paychain.protocol.dialects.json_rpc.api import JsonRpc

__all__ = ["JsonRpc"]
