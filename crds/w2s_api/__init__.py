"""What may be said: the WeakToStrongJob API, its pipeline, its keys and its words. Needs pydantic only."""
