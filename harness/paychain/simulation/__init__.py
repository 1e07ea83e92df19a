"""Virtual time: the unchanged services, wire and toxics on a deterministic loop and network."""
