"""What to change so that a finding of a run goes away: its remedies, by money rule and measure."""
