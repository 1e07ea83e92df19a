"""Load by hand: a chain with its faults as switches, watched live and recorded as an experiment."""
