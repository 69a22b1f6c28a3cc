"""Directories that are made once, by whichever process comes first, and are there whole or not at all."""

import errno
import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


def kept(target: Path, make: Callable[[Path], None]) -> Path:
    """The directory `target`, made now unless it exists.

    Processes that want it at once wait for the first, and use what it made. A process that is killed in the
    middle leaves a partial directory beside the target, which counts for nothing and is removed by the next.

    Args:
        target: its name says all that its contents depend on.
        make: fills the empty directory that it is given.
    """
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{uuid4().hex}.partial")
    with _lock(target.with_name(f".{target.name}.lock")) as alone:
        if target.is_dir():
            return target
        if alone:
            for left in target.parent.glob(f".{target.name}.*.partial"):
                shutil.rmtree(left, ignore_errors=True)
        partial.mkdir()
        try:
            make(partial)
            _put(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return target


def _put(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError as error:  # where nothing can be locked, another process may have been first
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Waits until no other process holds it; False at once where the file system knows no locks.

    The kernel ends the lock with the process, however it dies.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
            yield False
        else:
            yield True
