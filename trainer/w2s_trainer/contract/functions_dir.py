"""Where a driver that knows the manifest's folder tells it to the stages that import a user's module."""

FUNCTIONS_DIR = "W2S_FUNCTIONS_DIR"
"""The variable with a folder in which modules of labelling functions are looked for last."""
