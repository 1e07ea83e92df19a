"""The embedded fault engine: a Toxiproxy-compatible TCP proxy with seeded toxics."""
