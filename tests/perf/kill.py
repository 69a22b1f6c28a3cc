"""Kills a training at many random moments; prints what each kill cost. `make kill KILLS=100`.

Ends with 1 if any run that was killed ended with other bytes than the run that was not.
"""

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "integration/local"))

from w2s_kill_kit import Workshop, kills_at_random

from w2s_trainer.store.embedded import EmbeddedStore

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--kills", type=int, default=100)
parser.add_argument("--seed", type=int, default=None, help="of the moments; default: drawn")
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--interval", type=int, default=1, help="seconds between checkpoints")
given = parser.parse_args()
seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed

with tempfile.TemporaryDirectory() as name, EmbeddedStore(Path(name, "server")) as server:
    bucket = server.create_bucket("kills")
    place = Workshop.furnish(
        Path(name, "work"),
        server.settings(bucket),
        epochs=given.epochs,
        checkpointIntervalSeconds=given.interval,
    )
    _, found, expected = kills_at_random(place, given.kills, seed)
different = sum(one != expected for one in found)
print(f"{given.kills - different} of {given.kills} ended with the bytes of the run that was not killed")
sys.exit(different > 0)
