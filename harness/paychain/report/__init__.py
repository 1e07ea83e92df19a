"""Reports: result.json, and everything that is rendered from it."""
