"""Pydantic models of the spec: the only source of the CRD, of `w2s validate` and of the stages' settings."""
