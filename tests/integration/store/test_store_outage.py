"""A server that goes away in the middle of everything, and comes back. A server of its own, really stopped."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from w2s_trainer.errors import OwnFault, StoreUnavailable
from w2s_trainer.store.embedded import EmbeddedStore, _is_free
from w2s_trainer.store.objects import MiB, Objects
from w2s_trainer.store.settings import Patience

BOUND = 90.0
SIZE = 160 * MiB


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "server") as started:
        yield started


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


@pytest.mark.parametrize(
    ("seconds", "killed"),
    [
        pytest.param(5, True, id="5 s, killed"),
        pytest.param(20, False, id="20 s, stopped", marks=pytest.mark.slow),
    ],
)
def test_transfers_go_on_when_the_server_is_back(
    server: EmbeddedStore, tmp_path: Path, seconds: float, killed: bool
) -> None:
    bucket = server.create_bucket("outage")
    data = os.urandom(SIZE)
    local, target = tmp_path / "local", tmp_path / "target"
    local.write_bytes(data)
    naps: dict[str, list[float]] = {"up": [], "down": [], "stream": []}

    def client(name: str) -> Objects:
        def nap(duration: float) -> None:
            naps[name].append(duration)
            time.sleep(duration)

        return Objects(server.settings(bucket), Patience(0, 60), sleep=nap, width=2)

    client("up").upload(local, f"{bucket}/there")
    stream = client("stream").open_stream(f"{bucket}/there")
    begun = stream.read(3 * MiB)
    with ThreadPoolExecutor(3) as pool:
        up = pool.submit(client("up").upload, local, f"{bucket}/upload")
        down = pool.submit(client("down").download, f"{bucket}/there", target)
        observer = server._client()
        until(lambda: observer.list_multipart_uploads(Bucket="outage").get("Uploads"))
        until(lambda: [*tmp_path.glob(".target.*")])
        away = time.monotonic()
        (server.kill if killed else server.stop)()
        rest = pool.submit(stream.read)
        until(lambda: time.monotonic() - away >= seconds)
        assert not any(transfer.done() for transfer in (up, down, rest)), "too quick to be interrupted"
        server.start()
        for transfer in (up, down):
            transfer.result(BOUND)
        assert hashlib.sha256(begun + rest.result(BOUND)).digest() == hashlib.sha256(data).digest()
    assert target.read_bytes() == data
    assert client("up").read(f"{bucket}/upload") == data
    assert all(naps.values()), "each transfer met the outage"


def test_the_same_directory_has_the_same_keys_and_data(server: EmbeddedStore) -> None:
    bucket = server.create_bucket("outage")
    before = server.settings(bucket)
    Objects(before).write(f"{bucket}/x", b"kept")
    keys = server.access_key, server.secret_key
    with pytest.raises(OwnFault, match="Another process runs"):
        EmbeddedStore(server.directory).start()
    server.stop()
    with pytest.raises(StoreUnavailable, match=f"{server.endpoint} does not answer") as caught:
        Objects(before, Patience(0, 0.2)).read(f"{bucket}/x")
    assert caught.value.exit_code == 69
    with EmbeddedStore(server.directory) as again:
        assert (again.access_key, again.secret_key) == keys
        assert Objects(again.settings(bucket)).read(f"{bucket}/x") == b"kept"
    for file in (server.directory / "keys").rglob("*"):
        assert file.is_dir() or file.stat().st_mode & 0o077 == 0, f"{file} may be read by others"


# Starts a server, writes an object, says where, and waits to be killed.
OWNER = """
import sys
from pathlib import Path
from w2s_trainer.store.embedded import EmbeddedStore, _is_free
from w2s_trainer.store.objects import Objects
server = EmbeddedStore(Path(sys.argv[1])).start()
Objects(server.settings("s3://outage")).write(server.create_bucket("outage") + "/x", b"kept")
print(server.port, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("at_once", [True, False], ids=["used again at once", "left alone"])
def test_no_server_outlives_a_killed_owner(tmp_path: Path, at_once: bool) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        port = int(owner.stdout.readline())
        owner.kill()
    if at_once:
        with EmbeddedStore(tmp_path) as server:
            assert Objects(server.settings("s3://outage")).read("s3://outage/x") == b"kept"
    until(lambda: _is_free(port))
