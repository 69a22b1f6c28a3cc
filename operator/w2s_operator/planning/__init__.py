"""The rules of the operator: what is seen, and what follows from it. Pure."""
