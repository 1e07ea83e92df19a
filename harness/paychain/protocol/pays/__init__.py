"""How a customer pays an own service: from a payment to HTTP, and from an answer to its outcome."""
