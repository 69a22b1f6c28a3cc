"""Run as a module by test_fork_server.py: says what a stage's process is like, and ends as it is told to."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LOADED = sorted({"boto3", "torch"} & set(sys.modules))


def say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def facts() -> dict[str, object]:
    numbers = [number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)]
    return {
        "argv": sys.argv,
        "name": __name__,
        "environment": dict(os.environ),
        "signals": {number: str(signal.getsignal(number)) for number in numbers},
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "leads": os.getpid() == os.getsid(0) == os.getpgid(0),
        "parent": os.getppid(),
        "directory": str(Path.cwd()),
        "stdin": str(Path("/proc/self/fd/0").readlink()),
        "temporary": tempfile.gettempdir(),
    }


def descriptors() -> list[str]:
    """What is open beside the directory that is read for it."""
    return sorted(
        str(path.readlink())
        for path in Path("/proc/self/fd").iterdir()
        if path.is_symlink() and int(path.name) < 64
    )


def computing() -> dict[str, object]:
    """Threads of the libraries that compute, and what is computed with them."""
    import numpy as np
    import scipy.linalg
    import torch
    from threadpoolctl import threadpool_info

    drawn = np.random.default_rng(1).standard_normal((400, 400))
    product = torch.from_numpy(drawn) @ torch.from_numpy(drawn).T
    return {
        "torch": [torch.get_num_threads(), torch.get_num_interop_threads()],
        "pools": sorted({(pool["internal_api"], pool["num_threads"]) for pool in threadpool_info()}),
        "sums": [
            float(np.abs(drawn @ drawn).sum()),
            float(scipy.linalg.inv(drawn).sum()),
            float(product.sum()),
        ],
    }


def draws() -> list[object]:
    """Of every source that is seeded when it is imported."""
    import numpy as np
    import torch

    return [random.random(), np.random.random(), float(torch.rand(1)), Path(tempfile.mkdtemp()).name]


def main() -> None:
    what, *more = sys.argv[1:]
    match what:
        case "facts":
            say(loaded=LOADED, facts=facts(), descriptors=descriptors())
        case "computing":
            said = computing()
            say(loaded=LOADED, computing=said, draws=draws())
        case "exit":
            sys.exit(int(more[0]))
        case "say":
            sys.exit("the end")
        case "raise":
            raise ValueError("a defect")
        case "kill":
            os.kill(os.getpid(), int(more[0]))
        case "family" | "wait":
            child = subprocess.Popen(["sleep", "600"]).pid if what == "family" else 0
            say(loaded=LOADED, pids=[os.getpid(), child], descriptors=descriptors())
            end = time.monotonic() + 120
            while not (more and Path(more[0]).exists()) and time.monotonic() < end:
                time.sleep(0.02)


if __name__ == "__main__":
    main()
