"""The kopf operator: drives the stages of `w2s_api.pipeline` as Kubernetes Jobs."""
