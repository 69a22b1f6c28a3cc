"""The process contract: the same in a pod and in a subprocess of `w2s run` (docs/artifacts.md)."""
