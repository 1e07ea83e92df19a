"""What a call does when it fails: one module a policy."""
