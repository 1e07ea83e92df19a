"""paychain: run a declared payment chain under load and faults, and say where payments break."""
