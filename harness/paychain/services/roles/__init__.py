"""What each kind of link does: one module a role."""
