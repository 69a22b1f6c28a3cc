"""The embedded server keeps its data where it was told to, however the directory is called."""

import subprocess
import sys

import pytest

from w2s_trainer.errors import BadSpec
from w2s_trainer.store.embedded import _LEASH, EmbeddedStore
from w2s_trainer.store.objects import Objects


@pytest.mark.parametrize("name", ["My Store, 2024", "it's \"one\" of; $HOME's `#1` *[ä], -dir=x"])
def test_a_directory_may_have_any_name(tmp_path, name):
    directory = tmp_path / name
    uri = "s3://bucket/thing"
    with EmbeddedStore(directory) as server:
        server.create_bucket("bucket")
        Objects(server.settings("s3://bucket")).write(uri, b"kept")
    assert [place.name for place in tmp_path.iterdir()] == [name]
    with EmbeddedStore(directory) as server:
        assert Objects(server.settings("s3://bucket")).read(uri) == b"kept"


def test_the_server_of_a_killed_process_is_found_in_such_a_directory(tmp_path):
    directory = tmp_path / "a, b"
    orphan = EmbeddedStore(directory).start()
    assert orphan._lock is not None
    orphan._lock.close()  # as the end of the process would have it
    with EmbeddedStore(directory) as server:
        server.create_bucket("bucket")
        assert orphan._process is not None
        assert orphan._process.wait(10) is not None
    orphan.stop()


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_file_is_no_directory(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(BadSpec, match="cannot keep its data") as refused:
        EmbeddedStore(tmp_path / place).start()
    assert refused.value.exit_code == 64


DEAF = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""


def test_a_server_that_does_not_end_when_it_is_asked_to_is_killed():
    """As one whose parts still hold connections to each other open, after the process that started it was killed."""
    server = subprocess.Popen(
        ["sh", "-c", _LEASH, "server", sys.executable, "-c", DEAF],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    assert server.stdout.readline() == b"deaf\n"
    server.stdin.close()
    assert server.stdout.read() == b"", "what it held open is closed once it is gone"
    assert server.wait(60) == -9
