"""Drives the manifest FAKE_JOB with fake stages, as `w2s run` drives real ones: prints what it shows."""

import asyncio
import json
import os
import sys
from pathlib import Path

from w2s_api.validation import validate
from w2s_trainer.local.display import display
from w2s_trainer.local.driver import run_stages
from w2s_trainer.local.options import Options

home = Path(os.environ["FAKE_DIR"])
job, problems = validate(json.loads(os.environ["FAKE_JOB"]))
assert job, problems
options = Options(
    parallel=int(os.environ["FAKE_PARALLEL"]),
    cache=home / "cache",
    grace_seconds=float(os.environ["FAKE_GRACE"]),
    first_wait=0.01,
    command=(sys.executable, str(Path(__file__).with_name("fake_stage.py"))),
)
before = json.loads((home / "plan.json").read_text()) if (home / "plan.json").exists() else None
scratch = home / "scratch"
scratch.mkdir(exist_ok=True)
shown = display()
outcome = asyncio.run(
    run_stages(
        job, options, shown, scratch, before, lambda plan: (home / "plan.json").write_text(json.dumps(plan))
    )
)
shown.close()
sys.stderr.write(outcome.message)
sys.exit(outcome.code)
