"""The program of the fork server (fork_server.py): it imports what stages import, once, and forks them.

A stage gets its pipes and a control socket with the message that asks for it. It becomes a child of the driver, leads a
session of its own, says its process id on the control socket, and begins when the driver has answered with what to run:
whatever dies in between, a stage that the driver does not know of never begins.
"""

import gc
import importlib
import json
import os
import random
import runpy
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from w2s_api.names import STAGE_KINDS
from w2s_trainer.contract.leash import die_with, name_process
from w2s_trainer.contract.leaving import leave

ALWAYS = (
    "boto3",
    "numpy",
    "pyarrow.parquet",
    "scipy.optimize",
    "w2s_trainer.contract.main",
    *(f"w2s_trainer.stages.{kind}" for kind in STAGE_KINDS),
)
"""What stages without a model import: no more, since a run may have no other stages to start."""
MODELS = (
    "torch",
    "safetensors.torch",
    "transformers.modeling_utils",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
)
"""What those with a model import beside it."""
_AT_START = dict(os.environ)
PLAIN, WITH_MODELS = b"p", b"m"
"""What a message asks for."""
ALONE = {
    "OMP_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # else pyarrow starts a thread when it is imported
}
"""Variables with which nothing that is imported starts a thread."""


def main(door: int) -> int:
    """Forks a stage for each message until the driver is gone.

    Args:
        door: the socket on which messages come: what to import, and the file descriptors of a control socket and
            of the stage's standard output and error.
    """
    driver = os.getppid()
    gc.disable()  # nothing that is imported is garbage; stages enable it
    with socket.socket(fileno=door) as messages:
        while True:
            what, fds, _, _ = socket.recv_fds(messages, 1, 3)
            if not what:
                return 0
            _import([*ALWAYS, *(MODELS if what == WITH_MODELS else ())])
            if threads() > 1:  # a fork would have one of them, and the locks of all
                return 1
            _fork(driver, messages, fds)
            for fd in fds:
                os.close(fd)


def threads() -> int:
    """Counts the threads of this process, those of libraries too."""
    return len([*Path("/proc/self/task").iterdir()])


def _import(names: list[str]) -> None:
    for name in names:
        with suppress(ImportError):  # the stage that needs it says so
            importlib.import_module(name)
    gc.freeze()


def _fork(driver: int, messages: socket.socket, fds: list[int]) -> None:
    """Forks twice: the stage's parent ends at once, and the driver is who adopts it."""
    if between := os.fork():
        os.waitpid(between, 0)
        return
    between = os.getpid()
    if os.fork():
        os._exit(0)
    try:
        messages.close()
        if request := _agree(driver, between, fds):
            _stage(**json.loads(request))
    finally:
        os._exit(1)


def _agree(driver: int, between: int, fds: list[int]) -> bytes:
    """Takes this process's place; returns what to run, or nothing if it is not wanted any more."""
    control, stdout, stderr = fds
    os.setsid()
    for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (stdout, 1), (stderr, 2)):
        os.dup2(source, target)
        os.close(source)
    while os.getppid() == between:
        time.sleep(0.0005)
    die_with(driver)
    with socket.socket(fileno=control) as agreed:
        agreed.sendall(f"{os.getpid()}\n".encode())
        return b"".join(iter(lambda: agreed.recv(1 << 16), b""))


def _stage(module: str, arguments: list[str], environment: dict[str, str]) -> NoReturn:
    """Runs a module as `python -m` does in a new process, and ends with its exit code."""
    _take_over(environment)
    name_process("w2s " + " ".join(arguments[1:2]))
    _use_threads(int(environment["OMP_NUM_THREADS"]))
    _draw_anew()
    gc.enable()
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = _code_of(end)
    except BaseException:
        traceback.print_exc()
        code = 1
    leave(code)


def _take_over(environment: Mapping[str, str]) -> None:
    """Sets and removes variables, but for those that imports have set, as they would have set them here."""
    for name in _AT_START.keys() - environment.keys() - {"LC_CTYPE"}:  # which Python sets (PEP 538)
        os.environ.pop(name, None)
    os.environ.update({name: value for name, value in environment.items() if _AT_START.get(name) != value})


def _use_threads(count: int) -> None:
    """Lets libraries that are loaded compute with as many threads as if they had been loaded with them."""
    if count == 1:
        return
    from threadpoolctl import threadpool_limits

    threadpool_limits(count)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)


def _draw_anew() -> None:
    """Seeds what was seeded when it was imported, or stages would draw the same."""
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if torch := sys.modules.get("torch"):
        torch.default_generator.seed()


def _code_of(end: SystemExit) -> int:
    code: Any = end.code
    if code is None or isinstance(code, int):
        return (code or 0) & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
