"""An oracle of the verdict: generated chains, and the world's own books beside the rules."""
