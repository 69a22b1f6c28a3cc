"""A stage that follows the process contract and does as FAKE_SCRIPT says: no work, every kind of end.

FAKE_SCRIPT: {run name: [what to do at the first try, at the second, …]}; beyond its end and by default `done`.
FAKE_DIR: `log` has a JSON line for each start and end; the file `release` lets those that hold go on.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("stage")
for option in ("--job", "--last-words", "--cache", "--scratch"):
    parser.add_argument(option, type=Path)
parser.add_argument("--shard", default="")
arguments = parser.parse_args()

home = Path(os.environ["FAKE_DIR"])
name = arguments.stage + ("-" + arguments.shard.split("/")[0] if arguments.shard else "")
job = json.loads(arguments.job.read_text())


def log(event: str, **more: object) -> None:
    with (home / "log").open("a") as file:
        file.write(json.dumps({"run": name, "event": event, "pid": os.getpid(), **more}) + "\n")


def last_words(outcome: str, **more: object) -> None:
    arguments.last_words.write_text(json.dumps({"outcome": outcome, **more}))


def leave(code: int) -> None:
    log("end", code=code)
    sys.exit(code)


def hold() -> None:
    end = time.monotonic() + 60
    while not (home / "release").exists() and time.monotonic() < end:
        time.sleep(0.02)


def stop(*_signal: object) -> None:
    last_words("Stopped", reason="Stopped", message="Asked to stop.")
    leave(75)


signal.signal(signal.SIGTERM, stop)
tries = sum(
    line["run"] == name and line["event"] == "start"
    for line in map(json.loads, (home / "log").read_text().splitlines() if (home / "log").exists() else [])
)
threads = {key: os.environ[key] for key in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "TOKENIZERS_PARALLELISM")}
log("start", needs=job["needs"], key=job["key"], stage=job["stage"], threads=threads)
print(json.dumps({"stage": name, "message": "working", "step": 1, "total": 4, "eta": 3.0}), flush=True)
print("not a progress line", flush=True)

script = json.loads(os.environ["FAKE_SCRIPT"]).get(name, [])
what = script[tries] if tries < len(script) else "done"
action, _, value = what.partition(":")
artifact = f"artifact-{arguments.stage}"
match action:
    case "done":
        if value:
            artifact = value
    case "hold":
        hold()
    case "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        log("deaf")
        hold()
    case "exit" | "exit-last":
        end = time.monotonic() + 60
        while action == "exit-last" and (home / "log").read_text().count('"start"') < 4:
            assert time.monotonic() < end, "the others never started"
            time.sleep(0.02)
        last_words("Failed", reason="Because", message="the pool has no texts.\nCheck the prefix.")
        leave(int(value))
    case "crash":
        sys.stderr.write("".join(f"line {number}\n" for number in range(30)))
        leave(1)
    case "silent":
        leave(0)
    case "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    case "orphan":  # a child that keeps the pipes open
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        log("child", child=child.pid)
        os.kill(os.getpid(), signal.SIGKILL)
last_words(
    "Done",
    artifact=artifact,
    figures={"rows": 3},
    artifacts=json.loads(os.environ["FAKE_ARTIFACTS"]) if name == "prepare" else {},
)
leave(0)
