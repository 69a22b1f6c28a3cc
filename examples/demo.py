"""The main job on real input: licence texts, rules as the weak source, a pretrained model as student.

Builds the data set from an installed package, starts an embedded S3 server on loopback, uploads the data and
runs the manifest.
`python examples/demo.py restricted|lora|causal|copyleft|expressions|questions|titles [--directory .w2s/demo]`
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import yaml

from w2s_trainer.store.embedded import EmbeddedStore
from w2s_trainer.store.objects import Objects

HERE = Path(__file__).parent
EXAMPLES = ("restricted", "lora", "causal", "copyleft", "expressions", "questions", "titles")
BUILDERS = {
    "expressions": ("notices.py",),
    "questions": ("questions.py",),
    "titles": ("titles.py",),
}
"""The script of a data set and its arguments; of others `licences.py --task NAME`."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("example", choices=EXAMPLES, nargs="?", default="restricted")
    parser.add_argument("--directory", type=Path, default=Path(".w2s/demo"))
    parser.add_argument("--parallel", default=None)
    arguments = parser.parse_args()
    manifest = HERE / f"{arguments.example}.yaml"
    spec = yaml.safe_load(manifest.read_text())["spec"]
    task = spec["data"]["gold"]["uri"].split("/")[-2]  # s3://w2s-demo/data/<task>/gold.jsonl
    data = arguments.directory / task
    began = time.monotonic()

    script, *more = BUILDERS.get(task, ("licences.py", "--task", task))
    subprocess.run([sys.executable, str(HERE / "data" / script), *more, "--out", str(data)], check=True)
    said(began, f"data built in {data}")

    with EmbeddedStore(arguments.directory / "s3") as server:
        bucket = spec["storage"]["uri"].removeprefix("s3://").split("/")[0]
        server.create_bucket(bucket)
        environment = {**os.environ, **server.environment()}
        objects = Objects(server.settings(spec["storage"]["uri"]))
        for source in (spec["data"]["unlabeled"]["uri"], spec["data"]["gold"]["uri"]):
            objects.upload(data / source.rsplit("/", 1)[1], source)
        said(began, f"embedded S3 server on {server.endpoint}, data uploaded")

        run = [sys.executable, "-m", "w2s_cli.main", "run", str(manifest)]
        run += ["--output", str(arguments.directory / "output" / arguments.example)]
        run += ["--cache", str(arguments.directory / "cache")]
        run += ["--parallel", arguments.parallel] if arguments.parallel else []
        code = subprocess.run(run, env=environment, check=False).returncode
    said(began, "done" if code == 0 else f"ended with exit code {code}")
    return code


def said(began: float, what: str) -> None:
    print(f"[{time.monotonic() - began:6.1f} s] {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
