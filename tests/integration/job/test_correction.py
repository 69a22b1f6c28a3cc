"""Votes that are right in 70 % of cases are corrected: net flips by the hidden gold of the pool, and who learns what."""

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from w2s_api.spec.job import Spec
from w2s_trainer.stages.tables import read_examples
from w2s_trainer.stages.train.sets import TrainingSets

CLASSES = ("permissive", "copyleft")
STEP = {"type": "Correction", "correction": {"mixture": "0.9"}}


def voted(rows: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Rows with the vote of somebody who is right in 70 % of cases, by lot."""
    chance = random.Random(seed)
    return [
        {
            **row,
            "vote": row["label"] if chance.random() < 0.7 else next(c for c in CLASSES if c != row["label"]),
        }
        for row in rows
    ]


@pytest.fixture(scope="module")
def job(new_workplace, licences):
    place = new_workplace()
    gold, pool = licences

    def edit(spec):
        spec["data"]["gold"] = {"uri": place.put_rows("gold-votes.jsonl", voted(gold, 1))}
        spec["data"]["unlabeled"] = {"uri": place.put_rows("pool-votes.jsonl", voted(pool, 2))}
        spec["data"]["goldBudget"] = 64
        spec["weak"]["labelers"] = [{"name": "votes", "type": "Imported", "imported": {"field": "vote"}}]
        spec["selection"] = {"steps": [STEP]}
        spec["evaluation"] = {"seeds": 2, "controls": ["Unfiltered"], "ceiling": True}

    place.edit(edit)
    done = place.run()
    assert done.returncode == 0, done.stderr
    return place


def hidden(job) -> dict[str, str]:
    """Gold labels of the pool, that no stage but the ceiling's reads, by id."""
    return {row["id"]: CLASSES[row["label"]] for row in job.table("prepare", "gold-pool/labels.parquet")}


def test_net_flips_of_the_pool_are_positive(job):
    truth = hidden(job)
    for seed in (0, 1):
        made = [row for row in job.table("select", "corrected.parquet") if row["seed"] == seed]
        right = sum(row["after"] == truth[row["id"]] for row in made)
        wrong = sum(row["before"] == truth[row["id"]] for row in made)
        assert len(made) == right + wrong > 0  # two classes: what was wrong is right
        assert right > wrong


def test_the_audit_says_what_the_budget_says(job, summary_is_documented):
    selection = job.results()["selection"]
    summary_is_documented(selection, "select")
    audits = [selection["steps"], selection["otherSeeds"]["1"]["steps"]]
    for seed, ((audit,), made) in enumerate(zip(audits, by_seed(job), strict=True)):
        figures = audit["figures"]
        assert audit["before"] == audit["after"] == selection["kept"]
        assert figures["changed"] == len(made) == sum(sum(to.values()) for to in figures["proposed"].values())
        budget = figures["budget"]
        assert budget["labels"] == 64
        assert budget["netFlips"] == budget["wrongToRight"] - budget["rightToWrong"] > 0
        assert not [line for line in selection["warnings"] if f"Seed {seed}: Correction changed no" in line]
    html = (job.directory / "output/report.html").read_text()
    assert f"Correction changed {len(by_seed(job)[0])} weak labels." in html
    assert "net flips of +" in html


def by_seed(job) -> list[list[dict[str, Any]]]:
    rows = job.table("select", "corrected.parquet")
    return [[row for row in rows if row["seed"] == seed] for seed in (0, 1)]


def test_students_learn_the_corrected_labels_and_the_arm_beside_them_does_not(job, tmp_path):
    made_by = {"labels": "aggregate", "selection": "select", "examples": "prepare", "gold": "prepare"}
    context: Any = SimpleNamespace(
        spec=Spec.model_validate(job.manifest["spec"]),
        scratch=tmp_path,
        artifact=lambda role: job.artifact(made_by[role]),
    )
    examples = read_examples(job.artifact("prepare"), tmp_path)
    sets = TrainingSets(context, examples)
    for seed, made in enumerate(by_seed(job)):
        strong, plain = sets.selected_labels(seed), sets.all_labels(seed)
        assert strong.rows.tolist() == plain.rows.tolist()
        moved = {row["id"]: row["probabilities"] for row in made}
        ids = examples.ids.take(strong.rows)
        for name, now, before in zip(ids, strong.targets, plain.targets, strict=True):
            assert now.tolist() == moved.get(name, before.tolist())
        for row in made:
            assert row["probabilities"][CLASSES.index(row["after"])] == pytest.approx(0.9, abs=0.1)
    learnt = {
        arm["arm"]: arm["metrics"]["Accuracy"]["estimate"] for arm in job.results()["evaluation"]["arms"]
    }
    assert {"strong", "unfiltered", "combined"} <= set(learnt)


def test_the_teacher_is_what_the_voter_said(job):
    """Of the test as of the budget: a correction is never credited to the labels."""
    (weak,) = [arm for arm in job.results()["evaluation"]["arms"] if arm["arm"] == "weak"]
    assert weak["metrics"]["Accuracy"]["estimate"] == pytest.approx(0.7, abs=0.1)


def test_another_mixture_is_work_from_the_selection_on(job):
    before = job.artifact("select")
    job.edit(lambda spec: spec["selection"]["steps"][0]["correction"].update(mixture="1"))
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert job.worked == ["select", "train", "combine", "evaluate", "promote"]
    after = job.artifact("select")
    assert before.key != after.key
    targets = np.array([row["probabilities"] for row in job.table("select", "corrected.parquet")])
    assert set(targets.ravel().tolist()) == {0.0, 1.0}
