"""Links and fault engines on other machines: what waits there for a run, and how it is reached."""
