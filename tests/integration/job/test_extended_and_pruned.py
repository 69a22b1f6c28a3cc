"""A job whose strong model gets tokens and is pruned twice: killed meanwhile it makes the same files, and the ablation is told."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import transformers

sys.path.insert(0, str(Path(__file__).parent))

from killing_kit import begin, until_started
from published_kit import check_arm

pytestmark = pytest.mark.slow

SMALL = {"calibrationBlocks": 8, "blockTokens": 64}
STEPS: list[dict[str, Any]] = [
    {"type": "ExtendVocabulary", "extendVocabulary": {"tokens": 20, "minCount": 5, "allowSmallCorpus": True}},
    {"type": "Prune", "prune": {"pattern": "2:4", **SMALL}},
    {"type": "Prune", "prune": {"method": "BlockInfluence", "blocks": 1, **SMALL}},
]
STAGES = ["adapt-1-extend-vocabulary", "adapt-2-prune", "adapt-3-prune"]


def changed(spec: dict[str, Any]) -> None:
    spec["strong"]["adaptation"] = {"steps": STEPS}
    spec["evaluation"] = {"seeds": 2, "controls": []}


def killed_at(place, stage: str) -> None:
    run = begin(place)
    until_started(run, stage)
    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=180)


def made(place) -> list[dict[str, str]]:
    """The digests of the files of each step, in one order: keys of two places differ, for their data lie elsewhere."""
    found = []
    for info in place.objects.list(f"{place.bucket}/w2s/artifacts/adapt/"):
        if info.uri.endswith("/manifest.json"):
            files = json.loads(place.objects.read(info.uri))["files"]
            found.append({name: files[name]["sha256"] for name in sorted(files)})
    return sorted(found, key=lambda one: sorted(one.items()))


def test_killed_in_a_step_it_makes_the_same_model_and_the_report_says_what_it_cost(new_workplace, capsys):
    whole, place = new_workplace(), new_workplace()
    for one in (whole, place):
        one.edit(changed)
    killed_at(whole, "train")
    for stage in STAGES:
        killed_at(place, stage)
    done = place.run()
    assert done.returncode == 0, done.stderr
    assert len(made(place)) == len(STAGES)
    assert made(place) == made(whole), "to the bit"

    results = place.results()
    tokens, zeros, smaller = results["adaptation"]
    assert [step["stage"] for step in results["adaptation"]] == STAGES
    (counted,) = tokens["figures"]["tokensOfText"]
    assert tokens["figures"]["added"] == 20
    assert counted["after"] < counted["before"]
    assert zeros["figures"]["zeros"] * 2 == sum(one["weights"] for one in zeros["figures"]["layers"])
    assert smaller["figures"]["parametersAfter"] < smaller["figures"]["parametersBefore"]
    assert smaller["figures"]["zeros"] * 6 == zeros["figures"]["zeros"] * 5, "the blocks that stay keep them"
    (ablation,) = (one for one in results["evaluation"]["exploratory"] if one["baseline"] == "unadapted")
    assert ablation["low"] <= ablation["estimate"] <= ablation["high"]
    assert "How the strong model was adapted before" in (place.directory / "output/report.html").read_text()
    directory = place.artifact(STAGES[-1]).fetch_all(place.directory / "made")
    model = transformers.AutoModel.from_pretrained(directory)
    assert model.config.num_hidden_layers == 5
    assert len(transformers.AutoTokenizer.from_pretrained(directory)) == model.config.vocab_size == 30522 + 20
    check_arm(place, capsys, "combine", "students", "--students-only")
    check_arm(place, capsys, "combine", "combined")
