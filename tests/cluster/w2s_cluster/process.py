"""Start a component in the cluster's network and end exactly that one again."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from w2s_cluster.errors import ClusterFault
from w2s_cluster.settings import PATIENCE, Settings

# The shell writes its own line of /proc before it becomes the component: same pid, same start time.
_BECOME = 'ulimit -n "$(ulimit -Hn)"; cat /proc/$$/stat >"$0.new" && mv "$0.new" "$0" && exec "$@"'


def in_network(settings: Settings, *command: str | Path) -> list[str]:
    """The command, to be run in the cluster's network. `ip netns exec` would remount /sys and lose the cgroups."""
    return ["nsenter", f"--net={settings.netns}", *map(str, command)]


def start(settings: Settings, name: str, *command: str | Path) -> None:
    """Start a component unless it runs already. It outlives this process and writes to its log."""
    if alive(settings, name):
        return
    pid_file = settings.pids / name
    pid_file.unlink(missing_ok=True)
    with (settings.logs / f"{name}.log").open("ab") as log:
        subprocess.run(
            ["setsid", "--fork", *in_network(settings, "sh", "-c", _BECOME, pid_file, *command)],
            check=True,
            cwd=settings.home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], "HOME": str(settings.home)},
        )
    wait(5, f"{name} to start", pid_file.exists)


def alive(settings: Settings, name: str) -> bool:
    """Whether the process that we started under this name still runs."""
    return _pid(settings.pids / name) is not None


def stop(settings: Settings, name: str, patience: float = 10) -> None:
    """End what we started under this name: SIGTERM, and SIGKILL when patience (seconds) is over."""
    pid_file = settings.pids / name
    pid = _pid(pid_file)
    if pid is not None:
        _signal(pid, signal.SIGTERM)
        try:
            wait(patience, f"{name} to end", lambda: _pid(pid_file) is None)
        except ClusterFault:
            _signal(pid, signal.SIGKILL)
            wait(10, f"{name} to die", lambda: _pid(pid_file) is None)
    pid_file.unlink(missing_ok=True)


def wait(seconds: float, what: str, holds: Callable[[], bool]) -> None:
    """Wait until the condition holds; a bound that is passed is a fault. Slower machines get `PATIENCE` times as long."""
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise ClusterFault(f"Waited {seconds:g} s for {what}.")
        time.sleep(0.05)


def wait_for(settings: Settings, name: str, seconds: float, what: str, holds: Callable[[], bool]) -> None:
    """Wait for a component to bring something about; when it dies first, the end of its log says why."""

    def holds_or_dead() -> bool:
        return holds() or not alive(settings, name)

    try:
        wait(seconds, what, holds_or_dead)
    except ClusterFault as late:
        raise ClusterFault(f"{late} {_last_words(settings, name)}") from None
    if not alive(settings, name):
        raise ClusterFault(f"{name} ended while it was waited for {what}. {_last_words(settings, name)}")


def _last_words(settings: Settings, name: str) -> str:
    log = settings.logs / f"{name}.log"
    lines = log.read_text(errors="replace").splitlines()[-8:] if log.exists() else []
    return "\n".join([f"The end of {log}:", *lines])


def _pid(pid_file: Path) -> int | None:
    """The pid, while the process of the file is the one that was started (a pid alone may be someone else's)."""
    try:
        then = _fields(pid_file.read_text())
        now = _fields(Path(f"/proc/{then[0]}/stat").read_text())
    except (OSError, IndexError):
        return None
    same_start, is_zombie = then[2] == now[2], now[1] == "Z"
    return int(then[0]) if same_start and not is_zombie else None


def _fields(stat: str) -> tuple[str, str, str]:
    """Pid, state and start time of a line of /proc/<pid>/stat; the name in between may hold anything."""
    head, _, tail = stat.rpartition(")")
    rest = tail.split()
    return head.split()[0], rest[0], rest[19]


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it may end between the look and the signal
        os.kill(pid, number)
