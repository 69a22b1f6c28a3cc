"""A model behind an HTTP API: what it is told, what its answers mean, what they cost, how it is reached."""
