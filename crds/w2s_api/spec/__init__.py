"""Pydantic models of the spec: the only source of the CRD, of `w2s validate` and of the stages' settings."""

from w2s_api.spec.job import Spec, WeakToStrongJob

__all__ = ["Spec", "WeakToStrongJob"]
