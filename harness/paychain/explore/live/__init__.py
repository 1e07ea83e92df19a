"""The search for the smallest failure script that breaks a rule, on a chain that really runs."""
