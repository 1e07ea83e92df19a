"""TLS near ends: services that insist on https reach their hops; faults act on the plaintext."""
