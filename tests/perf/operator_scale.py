"""How fast and how large the operator is: jobs of seven stages on fake pods, in the kwok mode of the test cluster.

    python3 tests/cluster/cluster.py up --mode kwok
    python3 tests/cluster/cluster.py exec --mode kwok .venv/bin/python tests/perf/operator_scale.py [latency|burst|start] …

`latency`: from the creation of a job to its first Job, one after another on an idle operator. `burst`: all jobs at
once, to their ends. `start`: an operator that finds finished jobs. Prints one line a figure; docs/performance.md.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from w2s_operator.cluster.api import Api, Bucket
from w2s_operator.cluster.credentials import Credentials, load_configuration
from w2s_operator.cluster.errors import AlreadyExists, ApiError, NotFound

JOBS = "/apis/w2s.dev/v1alpha1/namespaces/{}/weaktostrongjobs"
NAMESPACE = "scale"
PORT = 18081
WORDS = {"outcome": "Done", "artifact": "0123456789abcdef0123456789abcdef"}
STAGES = 7


def manifest(name: str, delay: str) -> dict[str, Any]:
    annotations = {"test.w2s.dev/message": json.dumps(WORDS)}
    if delay:
        annotations["test.w2s.dev/delay"] = delay
    return {
        "apiVersion": "w2s.dev/v1alpha1",
        "kind": "WeakToStrongJob",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "task": {"classes": [{"name": "other"}, {"name": "indemnity"}], "positiveClass": "indemnity"},
            "data": {
                "unlabeled": {"uri": f"s3://legal/{name}.jsonl"},
                "gold": {"uri": "s3://legal/gold.jsonl"},
            },
            "storage": {"uri": "s3://legal/w2s"},
            "weak": {
                "labelers": [
                    {
                        "name": "small",
                        "type": "Classifier",
                        "classifier": {"model": {"uri": "hf://legal/small"}},
                    }
                ]
            },
            "strong": {"model": {"uri": "hf://org/strong"}},
            "pods": {"default": {"annotations": annotations}},
        },
    }


@dataclass
class Operator:
    """A running operator process and what it costs."""

    process: asyncio.subprocess.Process
    peak: int = 0
    """KiB of resident memory, at most."""
    _watch: asyncio.Task[None] | None = None
    samples: list[int] = field(default_factory=list)

    def rss(self) -> int:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1])  # type: ignore[index]

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def sample(self) -> None:
        while True:
            self.peak = max(self.peak, self.rss())
            await asyncio.sleep(0.5)

    def requests(self) -> dict[str, int]:
        """Requests to the API server so far, by verb."""
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics") as answer:
            text = answer.read().decode()
        found: dict[str, int] = {}
        for verb, count in re.findall(r'w2s_api_requests_total\{code="\d+",verb="(\w+)"\} ([\d.e+]+)', text):
            found[verb] = found.get(verb, 0) + int(float(count))
        return found


@asynccontextmanager
async def operator(log: Path) -> AsyncIterator[tuple[Operator, float]]:
    """Starts one; gives it and the seconds until it was ready."""
    environment = {**os.environ, "W2S_TRAINER_IMAGE": "trainer", "W2S_HOST": "127.0.0.1", "W2S_PORT": str(PORT),
                   "W2S_QPS": "300", "W2S_BURST": "600"}  # fmt: skip
    began = time.monotonic()
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "w2s_operator", env=environment, stdout=file, stderr=file
        )
    running = Operator(process)
    try:
        await until(ready, 120, "the operator is ready")
        seconds = time.monotonic() - began
        sampler = asyncio.create_task(running.sample())
        yield running, seconds
        sampler.cancel()
    finally:
        process.terminate()
        await process.wait()


def ready() -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


async def until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not await asyncio.to_thread(holds):
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.05)


async def empty(api: Api) -> None:
    """A namespace of our own with nothing in it."""
    with suppress(NotFound):
        while (await api.get(f"/api/v1/namespaces/{NAMESPACE}"))["status"]["phase"] == "Terminating":
            await asyncio.sleep(0.5)
    try:
        await api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    except AlreadyExists:
        await api.delete(JOBS.format(NAMESPACE), {})
        await api.delete(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs", {"propagationPolicy": "Background"})
        for path in (JOBS.format(NAMESPACE), f"/api/v1/namespaces/{NAMESPACE}/pods"):
            while (await api.get(path, {"limit": "1"}))["items"]:
                await asyncio.sleep(0.5)


async def latency(api: Api, rounds: int) -> None:
    await empty(api)
    found: list[float] = []
    async with operator(Path("/tmp/w2s-perf-operator.log")) as (running, _):
        await asyncio.sleep(2)
        idle = running.rss()
        seen: dict[str, float] = {}
        waiting = asyncio.create_task(first_jobs(api, seen))
        await asyncio.sleep(1)
        for number in range(rounds):
            name = f"one-{number}"
            began = time.monotonic()
            await api.create(JOBS.format(NAMESPACE), manifest(name, ""))
            while name not in seen:
                await asyncio.sleep(0.002)
            found.append(seen[name] - began)
            await asyncio.sleep(0.2)
        waiting.cancel()
    found.sort()
    print(f"job to first Job, idle, {rounds} jobs: p50 {statistics.median(found):.3f} s, "
          f"p99 {found[min(len(found) - 1, int(0.99 * len(found)))]:.3f} s, most {found[-1]:.3f} s")  # fmt: skip
    print(f"resident memory, idle: {idle / 1024:.0f} MiB")


async def first_jobs(api: Api, seen: dict[str, float]) -> None:
    path = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
    version = (await api.get(path, {"limit": "1"}))["metadata"]["resourceVersion"]
    async for event in api.lines(path, {"watch": "true", "resourceVersion": version}):
        if event["type"] == "ADDED":
            seen.setdefault(event["object"]["metadata"]["labels"]["w2s.dev/job"], time.monotonic())


async def burst(api: Api, count: int, delay: str) -> None:
    await empty(api)
    async with operator(Path("/tmp/w2s-perf-operator.log")) as (running, _):
        await asyncio.sleep(2)
        idle, cpu, before = running.rss(), running.cpu(), running.requests()
        began = time.monotonic()
        await asyncio.gather(
            *(api.create(JOBS.format(NAMESPACE), manifest(f"job-{number}", delay)) for number in range(count))
        )
        applied = time.monotonic() - began
        done = 0
        while done < count:
            await asyncio.sleep(2)
            done = await finished(api)
            print(f"  {time.monotonic() - began:5.0f} s: {done} of {count}", file=sys.stderr)
            if time.monotonic() - began > 1200:
                raise SystemExit("not finished within 1200 s")
        seconds = time.monotonic() - began
        after = running.requests()
        made = {verb: after.get(verb, 0) - before.get(verb, 0) for verb in sorted(after)}
        writes = sum(made.get(verb, 0) for verb in ("POST", "PATCH", "DELETE"))
        print(f"{count} jobs of {STAGES} stages: {seconds:.0f} s ({60 * count / seconds:.0f} jobs/min), "
              f"applied in {applied:.0f} s")  # fmt: skip
        print(f"requests: {made}; writes a stage: {writes / count / STAGES:.2f}")
        print(f"operator: {running.cpu() - cpu:.0f} CPU seconds, peak {running.peak / 1024:.0f} MiB, "
              f"{(running.peak - idle) / count:.1f} KiB a job over {idle / 1024:.0f} MiB idle")  # fmt: skip


async def finished(api: Api) -> int:
    count, token = 0, ""
    while True:
        page = await api.get(
            JOBS.format(NAMESPACE), {"limit": "500", **({"continue": token} if token else {})}
        )
        for item in page["items"]:
            conditions = {one["type"]: one["status"] for one in item.get("status", {}).get("conditions", ())}
            count += conditions.get("Complete") == "True"
        token = page["metadata"].get("continue", "")
        if not token:
            return count


async def start(api: Api, count: int) -> None:
    """Finished jobs are written as an operator leaves them; then one is started."""
    await empty(api)
    name = "pattern"
    async with operator(Path("/tmp/w2s-perf-operator.log")):
        await api.create(JOBS.format(NAMESPACE), manifest(name, ""))
        while not await finished(api):
            await asyncio.sleep(0.5)
        status = (await api.get(f"{JOBS.format(NAMESPACE)}/{name}"))["status"]

    async def finished_job(number: int) -> None:
        body = await api.create(JOBS.format(NAMESPACE), manifest(f"old-{number}", ""))
        await api.merge(f"{JOBS.format(NAMESPACE)}/{body['metadata']['name']}/status", {"status": status})

    for first in range(0, count, 200):
        await asyncio.gather(*(finished_job(number) for number in range(first, min(count, first + 200))))
    async with operator(Path("/tmp/w2s-perf-operator.log")) as (running, seconds):
        await asyncio.sleep(15)
        made = running.requests()
        writes = sum(made.get(verb, 0) for verb in ("POST", "PATCH", "DELETE"))
        print(f"{count} finished jobs: ready in {seconds:.1f} s, {writes} writes, {running.cpu():.0f} CPU seconds, "
              f"{running.rss() / 1024:.0f} MiB")  # fmt: skip


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", default=["latency", "burst", "start"])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--old", type=int, default=10_000)
    parser.add_argument("--delay", default="", help="of fake pods, e.g. 1s")
    arguments = parser.parse_args()
    crd = Path(__file__).parents[2] / "crds/weaktostrongjobs.w2s.dev.yaml"
    async with Api(Credentials(load_configuration()), Bucket(2000, 4000)) as api:
        await install(api, crd)
        if "latency" in arguments.what:
            await latency(api, arguments.rounds)
        if "burst" in arguments.what:
            await burst(api, arguments.jobs, arguments.delay)
        if "start" in arguments.what:
            await start(api, arguments.old)
        await api.delete(f"/api/v1/namespaces/{NAMESPACE}", {})


async def install(api: Api, crd: Path) -> None:
    import yaml

    body = yaml.safe_load(crd.read_text())
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    with suppress(ApiError):
        await api.create(path, body)
    for _ in range(100):
        try:
            await api.get("/apis/w2s.dev/v1alpha1/weaktostrongjobs", {"limit": "1"})
            return
        except (NotFound, ApiError):
            await asyncio.sleep(0.1)
    raise SystemExit("the CRD is not served")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # or the operator would be left behind
    asyncio.run(main())
