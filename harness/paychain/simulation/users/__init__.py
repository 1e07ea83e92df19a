"""A user's own asyncio code in virtual time: its modules, its clocks and chance, its refusals."""
