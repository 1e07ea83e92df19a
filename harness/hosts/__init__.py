"""Links on other machines: what runs there and waits for a run, and how a run reaches it."""
