"""Stages that a process with all imports forks: what they see, say and end with is what those started anew do."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from w2s_local_kit import eventually, is_alive

from w2s_trainer.local.fork_server import ForkServer, can_fork
from w2s_trainer.local.options import Options
from w2s_trainer.local.processes import Ended, StageProcess

HERE = Path(__file__).parent
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")},
    "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
    "PYTHONUNBUFFERED": "1",
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}
THREADS = ("1", "2")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every stage is started anew")


class Stage:
    """One process, and what it said."""

    def __init__(
        self, tmp_path: Path, server: ForkServer | None, *words: str, models: bool = False, **more: str
    ):
        self.said: list[dict[str, Any]] = []
        self.is_there = asyncio.Event()
        self.has_spoken = asyncio.Event()
        self.process = StageProcess.start(
            [sys.executable, "-m", "forked_stage", *words],
            {**ENVIRONMENT, **more},
            tmp_path / "words",
            self.is_there.set,
            self._hear,
            server,
            models=models,
        )

    def _hear(self, line: dict[str, Any]) -> None:
        self.said.append(line)
        self.has_spoken.set()

    async def end(self) -> Ended:
        return await asyncio.wait_for(self.process.wait(), 120)

    async def speak(self) -> dict[str, Any]:
        """What it said first."""
        await asyncio.wait_for(self.has_spoken.wait(), 120)
        return self.said[0]


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with closing(ForkServer(ENVIRONMENT)) as server:
        yield server


def test_a_forked_stage_sees_what_one_that_was_started_anew_sees(tmp_path, server):
    os.environ["ONLY_THE_TEST_HAS_IT"] = "1"

    async def scene() -> list[dict[str, Any]]:
        found = []
        for who in (server, None):
            stage = Stage(
                tmp_path, who, "facts", "--with", "words", OF_THIS_STAGE="two\nlines", OMP_NUM_THREADS="3"
            )
            await stage.end()
            found += stage.said
        return found

    try:
        forked, anew = asyncio.run(scene())
    finally:
        del os.environ["ONLY_THE_TEST_HAS_IT"]
    assert (forked["loaded"], anew["loaded"]) == (["boto3"], [])  # it was forked
    for one in (forked, anew):
        one["facts"].update(one["facts"].pop("environment"))  # flat: a difference is shown by its name
    forked["facts"].pop(
        "KMP_DUPLICATE_LIB_OK", None
    )  # threadpoolctl's, which a stage that fits heads imports too
    assert forked["facts"] == anew["facts"]
    assert forked["facts"]["OF_THIS_STAGE"] == "two\nlines"
    assert "ONLY_THE_TEST_HAS_IT" not in forked["facts"]
    assert forked["facts"]["parent"] == os.getpid()
    kinds = [[name.split(":")[0] for name in one["descriptors"]] for one in (forked, anew)]
    assert [kind.count("pipe") for kind in kinds] == [2, 2]
    assert [kind.count("socket") for kind in kinds] == [0, 0]


def test_it_computes_with_as_many_threads_the_same_numbers_and_no_two_draw_the_same(tmp_path, server):
    async def scene() -> list[dict[str, Any]]:
        stages = [
            Stage(tmp_path, who, "computing", models=True, OMP_NUM_THREADS=threads)
            for threads in THREADS
            for who in (server, None)
        ]
        ends = [await stage.end() for stage in stages]
        assert all(stage.said for stage in stages), ends
        return [stage.said[0] for stage in stages]

    said = asyncio.run(scene())
    for threads, forked, anew in zip(THREADS, said[::2], said[1::2], strict=True):
        assert (forked["loaded"], anew["loaded"]) == (["boto3", "torch"], [])
        assert forked["computing"] == anew["computing"]
        assert forked["computing"]["torch"][0] == int(threads)
    for draws in zip(*(one["draws"] for one in said), strict=True):
        assert len(set(draws)) == len(said)


ENDS = [
    ("exit", "0", 70),  # without last words nothing can build on it
    ("exit", "75", 75),
    ("exit", "64", 64),
    ("exit", "256", 70),
    ("say", "", 1),
    ("raise", "", 1),
    ("kill", str(int(signal.SIGKILL)), -signal.SIGKILL),
    ("kill", str(int(signal.SIGTERM)), -signal.SIGTERM),
    ("kill", str(int(signal.SIGSEGV)), -signal.SIGSEGV),
]


def test_it_ends_as_one_that_was_started_anew_ends(tmp_path, server):
    async def scene() -> list[tuple[Ended, Ended]]:
        return [
            (
                await Stage(tmp_path, server, what, how).end(),
                await Stage(tmp_path, None, what, how).end(),
            )
            for what, how, _ in ENDS
        ]

    for (what, how, code), (forked, anew) in zip(ENDS, asyncio.run(scene()), strict=True):
        assert forked.code == anew.code == code, (what, how, forked)
        assert forked.explanation == anew.explanation
        assert forked.stderr[-1:] == anew.stderr[-1:]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_it_is_stopped_with_its_children(tmp_path, server, how):
    async def scene() -> list[int]:
        stage = Stage(tmp_path, server, "family")
        pids = (await stage.speak())["pids"]
        stage.process.stop(how)
        assert (await stage.end()).code == -how
        return pids

    pids = asyncio.run(scene())
    eventually(lambda: not any(map(is_alive, pids)))


def test_one_that_is_stopped_before_it_is_there_never_begins(tmp_path, server):
    async def scene() -> None:
        stage = Stage(tmp_path, server, "exit", "75")
        await asyncio.sleep(0)
        stage.process.stop()
        ended = await stage.end()
        stage.process.stop(signal.SIGKILL)  # whoever asks again need not know
        assert (ended.code, ended.explanation) == (-signal.SIGTERM, "killed by SIGTERM")
        assert not stage.is_there.is_set()
        assert (await Stage(tmp_path, server, "exit", "64").end()).code == 64  # the server is well

    asyncio.run(scene())


def test_no_stage_has_the_pipes_of_another_and_none_is_left_behind(tmp_path, server):
    async def scene() -> None:
        await Stage(tmp_path, server, "exit", "1").end()
        ours = {"test": os.getpid(), "server": server.pid}
        before = {name: len([*Path(f"/proc/{pid}/fd").iterdir()]) for name, pid in ours.items()}
        gate = tmp_path / "gate"
        stages = [Stage(tmp_path, server, "wait", str(gate)) for _ in range(3)]
        pipes = [
            {name for name in (await stage.speak())["descriptors"] if "pipe:" in name} for stage in stages
        ]
        assert len(set.union(*pipes)) == sum(map(len, pipes)) == 6
        gate.touch()
        assert [(await stage.end()).code for stage in stages] == [70] * 3
        await asyncio.sleep(0)
        assert {name: len([*Path(f"/proc/{pid}/fd").iterdir()]) for name, pid in ours.items()} == before

    asyncio.run(scene())


def test_a_stage_outlives_its_server_and_the_next_is_started_anew(tmp_path):
    server = ForkServer(ENVIRONMENT)

    async def scene() -> None:
        gate = tmp_path / "gate"
        stage = Stage(tmp_path, server, "wait", str(gate))
        assert (await stage.speak())["loaded"] == ["boto3"]
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        anew = Stage(tmp_path, server, "facts")
        assert (await anew.speak())["loaded"] == []
        await anew.end()
        gate.touch()
        assert (await stage.end()).code == 70

    with closing(server):
        asyncio.run(scene())


def test_a_server_with_threads_of_others_forks_nothing(tmp_path):
    """A fork would have one of them, and the locks of all."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, threading, time\n"
        "if 'w2s_trainer.local.fork_program' in sys.orig_argv:\n"
        "    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    )
    server = ForkServer(
        {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([str(tmp_path), ENVIRONMENT["PYTHONPATH"]])}
    )

    async def scene() -> None:
        stage = Stage(tmp_path, server, "facts")
        assert (await stage.speak())["loaded"] == []
        assert (await stage.end()).code == 70

    with closing(server):
        asyncio.run(scene())


DRIVER = """
import asyncio, json, os, sys
from pathlib import Path
from w2s_trainer.local.fork_server import ForkServer
from w2s_trainer.local.processes import StageProcess

async def main():
    server = ForkServer(os.environ)
    command = [sys.executable, "-m", "forked_stage", "family"]
    say = lambda line: print(json.dumps([server.pid, *line["pids"]]), flush=True)
    process = StageProcess.start(command, os.environ, Path(sys.argv[1]), lambda: None, say, server)
    await process.wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_server_and_stages_end_with_the_driver_whatever_ends_it(tmp_path, how):
    """All but what a stage started without a leash: a driver that can asks the whole group."""
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path / "words")],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert driver.stdout is not None
    with driver.stdout:
        server, stage, child = json.loads(driver.stdout.readline())
    assert all(map(is_alive, (server, stage)))
    driver.send_signal(how)
    assert driver.wait(60) == -how
    eventually(lambda: not any(map(is_alive, (server, stage))))
    os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize(
    ("command", "more", "forks"),
    [
        (Options(parallel=1, cache=Path()).command, {}, True),
        ((sys.executable, "stage.py"), {}, False),
        (("/other/python", "-m", "w2s_cli.main", "stage"), {}, False),
        ((sys.executable, "-m", "w2s_cli.main", "stage"), {"OPENBLAS_NUM_THREADS": "1"}, False),
    ],
)
def test_what_is_forked(monkeypatch, command, more, forks):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert can_fork(command, {**ENVIRONMENT, **more}) is forks
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert not can_fork(command, {**ENVIRONMENT, **more})
