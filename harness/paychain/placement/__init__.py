"""A chain as containers: which of its parts run where, as Compose and Kubernetes files."""
