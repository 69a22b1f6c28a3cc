"""What this machine has, known without torch."""

import os
from pathlib import Path

DEVICES = Path("/dev")


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpus() -> int:
    """Counts the NVIDIA GPUs that this process may use: those that CUDA_VISIBLE_DEVICES names, else the device files.

    In a pod only the GPUs that were given to it have a device file.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return sum(device.strip() not in ("", "-1") for device in named.split(","))
    return len([*DEVICES.glob("nvidia[0-9]*")])
