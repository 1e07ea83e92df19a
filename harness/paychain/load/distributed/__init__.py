"""One load over several machines: a master, its workers, their records."""
