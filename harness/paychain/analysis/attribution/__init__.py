"""Own services keep no journal of ours: the records of their hops are made of what was observed."""
