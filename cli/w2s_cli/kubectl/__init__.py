"""Commands about jobs in a cluster: `kubectl w2s status` and others. They need the package `kubernetes` alone."""
