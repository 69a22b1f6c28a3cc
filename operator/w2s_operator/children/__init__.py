"""What the operator creates. Pure."""
