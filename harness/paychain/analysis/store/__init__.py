"""run.db: what a run recorded, and quick questions to it."""
