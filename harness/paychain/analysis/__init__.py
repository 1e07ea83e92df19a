"""From journals to a verdict: store, reconcile, measure, judge."""
