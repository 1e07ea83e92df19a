"""Reports as plain text: terminal, summary, one payment, a chain."""
