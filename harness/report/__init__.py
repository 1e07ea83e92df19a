"""What a run is told as: result.json and everything that renders from it."""
