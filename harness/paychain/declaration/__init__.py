"""What declarations are made of: YAML with places, quantities, the base of all models."""
