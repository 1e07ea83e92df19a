"""When customers pay and what they send: pure, the same in virtual time and on sockets."""
