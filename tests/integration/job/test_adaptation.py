"""A job whose strong model is pretrained on the pool first: killed in the middle, resumed to the same bits, measured."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow

STEP: dict[str, Any] = {
    "type": "Pretrain",
    "pretrain": {
        "blockTokens": 32,
        "subset": "0.3",
        "checks": 2,
        "training": {"batchSize": 8, "checkpointIntervalSeconds": 1},
    },
}
STAGE = "adapt-1-pretrain"


def adapted(spec: dict[str, Any]) -> None:
    spec["strong"]["adaptation"] = {"steps": [STEP]}
    spec["evaluation"] = {"seeds": 2, "controls": ["ZeroShot"]}


def begin(place) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        place.command(),
        env={**place.environment, "W2S_PROGRESS_SECONDS": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def killed_when(
    run: "subprocess.Popen[str]", condition: Callable[[list[dict[str, Any]]], bool]
) -> list[dict[str, Any]]:
    """The lines of a run that is killed, with all that it started, when they or the store meet a condition."""
    lines: list[dict[str, Any]] = []

    def listen() -> None:
        for line in run.stdout or ():
            if line.startswith("{"):
                lines.append(json.loads(line))

    reader = threading.Thread(target=listen)
    reader.start()
    end = time.monotonic() + 300
    while not condition(lines) and run.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    reader.join()
    return lines


def done_stages(lines: list[dict[str, Any]]) -> list[str]:
    return [line["stage"] for line in lines if line["event"] == "done"]


def made(place) -> dict[str, str]:
    """Digests of the files of the model that the step made."""
    objects = place.objects
    (uri,) = (
        info.uri
        for info in objects.list(f"{place.bucket}/w2s/artifacts/adapt/")
        if info.uri.endswith("/manifest.json") and "/checkpoints/" not in info.uri
    )
    files = json.loads(objects.read(uri))["files"]
    return {name: files[name]["sha256"] for name in files}


def has_checkpoint(place) -> bool:
    found = place.objects.list(f"{place.bucket}/w2s/artifacts/adapt/")
    return any("/checkpoints/" in info.uri and info.uri.endswith("manifest.json") for info in found)


def test_killed_in_the_middle_it_makes_the_same_model_and_the_report_says_what_it_added(new_workplace):
    whole, place = new_workplace(), new_workplace()
    for one in (whole, place):
        one.edit(adapted)
    lines = killed_when(begin(whole), lambda lines: STAGE in done_stages(lines))
    assert STAGE in done_stages(lines)

    lines = killed_when(begin(place), lambda _lines: has_checkpoint(place))
    last = [line for line in lines if line["stage"] == STAGE and "step" in line][-1]
    assert last["step"] < last["total"], "it was killed after its last step: nothing was shown"
    done = place.run()
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert any(
        line["stage"] == STAGE and str(line.get("message", "")).startswith("going on from step")
        for line in said
    )
    assert made(place) == made(whole)

    results = place.results()
    (step,) = results["adaptation"]
    assert (step["stage"], step["figures"]["objective"]) == (STAGE, "masked tokens")
    assert step["figures"]["lossAfter"] < step["figures"]["lossBefore"]
    (ablation,) = (one for one in results["evaluation"]["exploratory"] if one["baseline"] == "unadapted")
    assert (ablation["arm"], ablation["exploratory"]) == ("strong", True)
    assert ablation["low"] <= ablation["estimate"] <= ablation["high"]
    assert any(sentence.startswith("Adapting the strong model") for sentence in results["answer"])
    assert {cost["arm"] for cost in results["training"]["costs"]} == {"strong", "unadapted"}
    report = (place.directory / "output/report.html").read_text()
    assert "How the strong model was adapted before" in report
    assert not has_checkpoint(place), "what is complete needs none"

    # Without the step: nothing before it is run again, and what follows is.
    place.edit(lambda spec: spec["strong"].pop("adaptation"))
    done = place.run()
    assert done.returncode == 0, done.stderr
    assert place.worked == ["train", "combine", "evaluate", "promote"]
    values = {
        arm["arm"]: arm["metrics"]["MacroF1"]["estimate"] for arm in place.results()["evaluation"]["arms"]
    }
    before = {arm["arm"]: arm["metrics"]["MacroF1"]["estimate"] for arm in results["evaluation"]["arms"]}
    assert values["strong"] == before["unadapted"], "the ablation is the job without the step"
