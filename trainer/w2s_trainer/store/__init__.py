"""Artifacts, checkpoints and results in any S3: content-addressed, verified, written by many without harm."""
