"""The fault engine of a run: found, controlled and watched; faults switched on a timeline."""
