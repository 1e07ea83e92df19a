"""Mock links: one module per role, and the policies on the calls between them."""
