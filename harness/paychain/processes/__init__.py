"""What every process of a run shares: children, their parent, stalls, files."""
