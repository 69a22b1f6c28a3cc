"""The local driver: the stages of a manifest as subprocesses, by the contract that pods follow too."""
