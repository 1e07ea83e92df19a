"""Own services: the users' processes in a running chain."""
