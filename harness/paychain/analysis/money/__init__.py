"""Every payment beside every link's book."""
