"""Models by URI, their features, heads on them, and how they are published."""
