"""Labelling functions of a user's module: found, called with a limit on time, and kept apart from the stage's own faults.

They are ordinary Python in the stage's own process, with all that it may read. Nothing here confines them.
"""

import hashlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import Any

from w2s_trainer.contract.functions_dir import FUNCTIONS_DIR
from w2s_trainer.errors import BadSpec


class Text(str):
    """A text as functions get it: a string, which is its own `text` too, as functions for Snorkel have it."""

    __slots__ = ()

    @property
    def text(self) -> str:
        """The string."""
        return str(self)


@dataclass(frozen=True)
class UserFunctions:
    """Functions of a module."""

    functions: tuple[Callable[[Text], Any], ...]
    names: tuple[str, ...]
    code: str
    """sha256 over the source files that they stand in and those of the module's own package."""


class TooSlow(BaseException):
    """A function did not end in time. No Exception, so that a function which catches those cannot hold it up."""


def load_functions(module: str, names: Sequence[str], path: str) -> UserFunctions:
    """Imports a module and finds functions in it.

    Args:
        module: its dotted name.
        names: of functions in it, or of lists of them.
        path: of the labeler's settings in the manifest, for errors.

    Raises:
        BadSpec: the module cannot be imported; a name is not there, or is neither a function nor a list of some.
    """
    imported = _import(module, f"{path}.module")
    found: list[Callable[[Text], Any]] = []
    labels: list[str] = []
    for place, name in enumerate(names):
        at = f"{path}.functions[{place}]"
        if not hasattr(imported, name):
            raise BadSpec(
                "NoSuchFunction",
                f"{at}: the module `{module}` ({_file(imported)}) has no `{name}`.",
                "Name a function of the module, or a list of functions.",
            )
        value = getattr(imported, name)
        listed = list(value) if isinstance(value, (list, tuple)) else [value]
        if not listed or not all(callable(one) for one in listed):
            raise BadSpec(
                "NoSuchFunction",
                f"{at}: `{name}` of the module `{module}` is neither a function nor a list of functions.",
                "Name a function that takes a text and returns the name of a class, or None.",
            )
        for number, one in enumerate(listed):
            if one not in found:  # each votes once
                found.append(one)
                label = name if one is value else str(getattr(one, "__name__", f"{name}[{number}]"))
                labels.append(f"{name}[{number}]" if label in labels else label)
    return UserFunctions(tuple(found), tuple(labels), _digest(imported, found))


def _import(module: str, path: str) -> ModuleType:
    folder = os.environ.get(FUNCTIONS_DIR)
    if folder and folder not in sys.path:
        sys.path.append(folder)  # last, so that a file called as a package of ours takes the place of none
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            raise BadSpec(
                "NoSuchModule",
                f"{path}: there is no module `{module}`: neither installed here, nor on PYTHONPATH"
                f"{f', nor in {folder}' if folder else ''}.",
                "Put it into the image or on PYTHONPATH; `w2s run` finds it beside the manifest, too.",
            ) from None
        raise _broken(module, path, error) from None
    except (Exception, SystemExit) as error:
        raise _broken(module, path, error) from None


def _broken(module: str, path: str, error: BaseException) -> BadSpec:
    said = " ".join(str(error).split())[:200]
    return BadSpec(
        "BadModule",
        f"{path}: the module `{module}` cannot be imported: {type(error).__name__}{where(error)}: {said}.",
        "Import it by hand in the same environment, and mend what that says.",
    )


def where(error: BaseException) -> str:
    """The last line of the user's code in a traceback, as ` at rules.py:12`; empty where there is none."""
    place = _last_of(error.__traceback__)
    return f" at {place}" if place else ""


def _last_of(traceback: TracebackType | None) -> str:
    own = Path(__file__).name
    last = ""
    while traceback is not None:
        file = Path(traceback.tb_frame.f_code.co_filename).name
        if file != own and not file.startswith("<frozen"):
            last = f"{file}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return last


def _file(module: ModuleType) -> str:
    return str(getattr(module, "__file__", None) or "no file")


def _digest(module: ModuleType, functions: Sequence[Any]) -> str:
    """What can be told of the code: not what it imports from elsewhere, nor the files that it reads."""
    files = {_file(sys.modules.get(getattr(one, "__module__", "") or "", module)) for one in functions}
    files.add(_file(module))
    files.update(str(file) for place in getattr(module, "__path__", ()) for file in Path(place).rglob("*.py"))
    digest = hashlib.sha256()
    for file in sorted(files):
        if Path(file).is_file():
            digest.update(Path(file).name.encode() + b"\0" + Path(file).read_bytes() + b"\0")
    return digest.hexdigest()


def _restart(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)


@contextmanager
def time_limit(seconds: float) -> Iterator[Callable[[], None]]:
    """Gives a function that starts the clock anew; TooSlow is raised in the block `seconds` after it was last called.

    By SIGALRM, which interrupts Python code and the regular expressions of `re`, in the main thread. A call into a
    library that does not return is stopped by nothing; elsewhere than in the main thread no call is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def expired(_signal: int, _frame: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, expired)
    try:
        yield partial(_restart, seconds)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
