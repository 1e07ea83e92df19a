"""Messages between links, and how they look on the wire."""
