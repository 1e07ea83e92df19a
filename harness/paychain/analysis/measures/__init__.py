"""What a run is measured by: phases, hops, breaks, fallbacks, latency."""
