"""The edge to the API server: requests, watches, and what is kept of what they bring."""
