"""Several processes for one stage: torchrun beneath this one, which stays the one that answers for them.

torchrun flattens exit codes, so each process (a rank) leaves a note of how it ended before it exits with 0; one
without a note was killed. No torch here: this process only waits.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType

from w2s_api.exit_codes import ExitCode
from w2s_trainer.contract.last_words import LastWords
from w2s_trainer.contract.leash import die_with, parent_of
from w2s_trainer.contract.machine import cores
from w2s_trainer.contract.signals import ASKING

GRACE_SECONDS = 30.0
"""How long the others may take once one has ended."""
_POLL_SECONDS = 0.05
_SAVED, _SUPERVISOR, _MEETING = "saved", "supervisor", "meeting"


@dataclass(frozen=True)
class Ending:
    """How one rank ended, in its own words."""

    rank: int
    at: float
    """Seconds since the epoch."""
    code: int
    words: LastWords


@dataclass(frozen=True)
class Rank:
    """This process among those that torchrun started for one stage."""

    number: int
    directory: Path
    """Where ranks leave their notes."""

    @classmethod
    def enter(cls, directory: Path) -> "Rank":
        """Says that this process is there and hears signals; from now on it ends when torchrun does."""
        torchrun = os.getppid()
        die_with(torchrun)
        supervisor = int((directory / _SUPERVISOR).read_text())
        if parent_of(torchrun) not in (None, supervisor):
            os._exit(1)  # the supervisor died, and torchrun with it, before the lines above
        rank = cls(int(os.environ["RANK"]), directory)
        _put(rank._note("pid"), str(os.getpid()))
        return rank

    @property
    def leads(self) -> bool:
        """Tells whether this process commits, publishes and reports for all."""
        return self.number == 0

    @property
    def saved(self) -> Path:
        """The file that is there once the leading one has saved a checkpoint."""
        return self.directory / _SAVED

    def leave(self, words: LastWords, code: int) -> None:
        """Says how this process ends."""
        _put(self._note("end"), json.dumps({"at": time.time(), "code": code, "words": asdict(words)}))

    def _note(self, what: str) -> Path:
        return self.directory / f"{self.number}.{what}"


def answer(endings: Mapping[int, Ending], count: int, *, saved: bool, asked: bool) -> tuple[LastWords, int]:
    """Says how a stage ended, from the endings of its processes. Pure.

    Args:
        endings: by rank, of those that could still say something.
        count: how many there were.
        saved: whether a newer checkpoint than at the start is in the store.
        asked: whether the stage was asked to stop.

    Returns:
        Last words and exit code of the stage.
    """
    leading = endings.get(0)
    if leading and leading.code == ExitCode.DONE:
        return leading.words, leading.code
    failed = [ending for ending in endings.values() if ending.words.outcome == "Failed"]
    if failed:
        first = min(failed, key=lambda ending: ending.at)
        where = "" if first.rank == 0 else f"Process {first.rank} of {count}: "
        return replace(first.words, message=where + first.words.message), first.code
    stopped = int(ExitCode.STOPPED if saved else ExitCode.OWN_FAULT)
    if asked:
        message = leading.words.message if leading and leading.words.reason == "Stopped" else "Asked to stop."
        return LastWords("Stopped", "Stopped", message), stopped
    killed = ", ".join(str(rank) for rank in range(count) if rank not in endings) or "?"
    kept = "its newest checkpoint" if saved else "where this run began: nothing newer was saved"
    message = f"Of the {count} processes of this stage, that of rank {killed} was killed. The next run goes on from {kept}."
    return LastWords("Stopped", "LostPeer", message), stopped


def supervise(
    arguments: Sequence[str],
    count: int,
    *,
    last_words: Path | None,
    scratch: Path,
    program: Sequence[str] = ("-m", "w2s_cli.main", "stage"),
    grace: float = GRACE_SECONDS,
) -> int:
    """Runs a stage as several processes on this machine.

    Whoever asks this process to stop asks all of them; what kills it kills them. They meet in a file and talk
    over loopback: no port is open to other machines.

    Args:
        arguments: of `w2s stage`; options that place a rank are added.
        count: processes.
        last_words: where the last words of the stage are left.
        scratch: a directory for temporary files.
        program: what torchrun runs.
        grace: seconds that the others may take once one has ended.

    Returns:
        The exit code of the stage (`w2s_api.exit_codes`).
    """
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="w2s-ranks-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        (directory / _SUPERVISOR).write_text(str(os.getpid()))
        ranks = [*arguments, "--rank-notes", name, "--scratch", name]
        with _asked() as asked:
            process = _start([*_torchrun(directory, count), *program, *ranks], _environment(directory, count))
            try:
                endings = _attend(process, directory, count, asked, grace)
            finally:
                _kill(process)
        words, code = answer(endings, count, saved=(directory / _SAVED).exists(), asked=asked())
    if words.outcome in ("Failed", "Stopped"):
        sys.stderr.write(f"{words.reason}: {words.message}\n")
    if last_words:
        words.write(last_words)
    return code


def _attend(
    process: "subprocess.Popen[bytes]", directory: Path, count: int, asked: Callable[[], bool], grace: float
) -> dict[int, Ending]:
    """Waits until torchrun has ended, passes on a request to stop, and waits for no process in vain."""
    notified: set[int] = set()
    deadline: float | None = None
    while process.poll() is None:
        endings = _endings(directory, count)
        is_over = any(
            ending.words.outcome in ("Failed", "Stopped") or ending.rank == 0 for ending in endings.values()
        )
        if is_over or len(endings) == count:
            deadline = deadline or time.monotonic() + grace
        if asked() or (0 in endings and endings[0].code == ExitCode.DONE):
            _ask(directory, set(range(count)) - endings.keys() - notified, notified)
        if deadline and time.monotonic() > deadline:
            break
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
    return _endings(directory, count)


def _ask(directory: Path, ranks: set[int], notified: set[int]) -> None:
    """Asks ranks that can hear it to stop; torchrun would give them half a minute, whatever there is to save."""
    for rank in ranks:
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((directory / f"{rank}.pid").read_text()), signal.SIGTERM)
            notified.add(rank)


def _endings(directory: Path, count: int) -> dict[int, Ending]:
    endings = {}
    for rank in range(count):
        with suppress(FileNotFoundError):
            plain = json.loads((directory / f"{rank}.end").read_text())
            endings[rank] = Ending(rank, plain["at"], plain["code"], LastWords(**plain["words"]))
    return endings


def _torchrun(directory: Path, count: int) -> list[str]:
    return [
        *(sys.executable, "-m", "torch.distributed.run"),
        *(
            "--nnodes",
            "1",
            "--nproc-per-node",
            str(count),
            "--max-restarts",
            "0",
            "--monitor-interval",
            "0.1",
        ),
        # As --standalone, but meeting in a file: the latter's port is open to other machines.
        *("--rdzv-backend", "c10d", "--rdzv-conf", "store_type=file"),
        *("--rdzv-endpoint", str(directory / "rendezvous"), "--local-addr", "127.0.0.1"),
    ]


def _environment(directory: Path, count: int) -> dict[str, str]:
    given = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(given) if given.isdigit() and int(given) else cores()
    loopback = {"linux": "lo", "darwin": "lo0"}.get(sys.platform)
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(max(1, threads // count)),
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        "W2S_MEETING": str(directory / _MEETING),
        **({"GLOO_SOCKET_IFNAME": loopback, "NCCL_SOCKET_IFNAME": loopback} if loopback else {}),
    }


def _start(command: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    parent = os.getpid()
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # what is sent to our group is for us to pass on
        preexec_fn=lambda: die_with(parent),
    )


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Its ranks are leashed to it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def _asked() -> Iterator[Callable[[], bool]]:
    """Notes whether somebody asks this process to stop."""
    requests: list[int] = []

    def note(name: int, _frame: FrameType | None) -> None:
        requests.append(name)

    before = {name: signal.signal(name, note) for name in ASKING}
    try:
        yield lambda: bool(requests)
    finally:
        for name, handler in before.items():
            signal.signal(name, signal.SIG_DFL if handler is None else handler)


def _put(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    partial.replace(path)
