"""What other tools read of a run: its records, in their formats."""
