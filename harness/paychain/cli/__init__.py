"""The paychain command: one module per sub-command."""
