"""What a user declares: chains, experiments, faults, tolerances and policies."""
