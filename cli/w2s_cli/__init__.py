"""The commands `w2s` and `kubectl-w2s`: parse, call, print."""
