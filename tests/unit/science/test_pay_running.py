"""The study goes on where it was stopped, at any moment."""

import json
import os
import threading
from pathlib import Path

import numpy as np
from does_it_pay.__main__ import Todo
from does_it_pay.cells import cells
from does_it_pay.job_process import JobProcess
from does_it_pay.kept_records import keep, restore
from does_it_pay.known_beforehand import _agreement, _seed
from does_it_pay.manifest import declaration_digest, manifest_of
from does_it_pay.records import Records, read
from does_it_pay.task_files import TaskFiles

from w2s_trainer.stages.tables import WeakLabels

FACTS = {"classes": ["a", "b"], "rules": {"rules": [{"className": "a", "keywords": ["x"]}]}, "rows": {}}


def prepared(state: Path, task: str) -> TaskFiles:
    directory = state / "data" / task
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "task.json").write_text(json.dumps(FACTS))
    return TaskFiles(directory, **FACTS)


def test_a_job_with_a_record_is_not_run_again(tmp_path):
    wanted = [cell for cell in cells() if cell.task == "sms_spam"][:3]
    files = prepared(tmp_path, "sms_spam")
    records = Records(tmp_path / "records")
    digest = declaration_digest(manifest_of(wanted[0], files, {}))
    records.keep(wanted[0], digest, {"cell": str(wanted[0])})
    todo = Todo(wanted, tmp_path, tmp_path, records, {})
    assert [job.cell for job in iter(todo.next, None)] == wanted[1:]
    assert todo.next() is None


def test_a_record_is_whole_or_not_there_and_failures_can_be_forgotten(tmp_path):
    records = Records(tmp_path)
    one, other = cells()[:2]
    records.keep(one, "d1", {"failed": {"code": 70}})
    records.keep(other, "d1", {"results": {}})
    assert read(records.path(one, "d1")) == {"failed": {"code": 70}}
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".json"]
    assert not records.has(one, "d2")
    assert records.forget_failures() == 1
    assert (records.has(one, "d1"), records.has(other, "d1")) == (False, True)


def test_another_machine_goes_on_from_the_records_beside_the_page(tmp_path):
    ran, failed = cells()[:2]
    evaluation = {
        "arms": [{"arm": "weak", "metrics": {"MacroF1": {"estimate": 0.5, "low": 0.4}, "Accuracy": {}}}],
        "comparisons": [
            {"baseline": "weak", "estimate": 0.1, "low": 0.0, "high": 0.2, "verdict": "better"},
            {"baseline": "unfiltered"},
        ],
        "goldOnlyCurve": [{"labels": 16, "estimate": 0.3, "low": 0.1}],
        "judge": {},
    }
    told = [
        {
            "cell": str(ran),
            "declaration": "d1",
            "known": {"classes": 2},
            "results": {"evaluation": evaluation},
        },
        {"cell": str(failed), "declaration": "d2", "failed": {"code": 65}},
    ]
    keep(told, tmp_path / "kept.jsonl")
    records = Records(tmp_path / "records")
    records.keep(failed, "d2", {"cell": str(failed), "failed": {"code": 70}})
    restore(tmp_path / "kept.jsonl", records)
    assert read(records.path(failed, "d2"))["failed"] == {"code": 70}
    short = read(records.path(ran, "d1"))
    assert short["known"] == {"classes": 2}
    assert short["results"]["evaluation"] == {
        "arms": [{"arm": "weak", "metrics": {"MacroF1": {"estimate": 0.5}}}],
        "comparisons": [{"baseline": "weak", "estimate": 0.1, "low": 0.0, "high": 0.2}],
        "goldOnlyCurve": [{"labels": 16, "estimate": 0.3}],
    }
    restore(tmp_path / "nothing.jsonl", records)


def test_a_process_runs_job_after_job_and_says_how_each_ended(tmp_path):
    process, stopping = JobProcess(), threading.Event()
    for number in range(2):
        log = tmp_path / f"log-{number}"
        ended = process.run(["validate", str(tmp_path / "none.yaml")], log, {}, stopping)
        assert ended
        assert ended.code == 64
        assert "none.yaml" in log.read_text()
    process.close()


def test_a_job_in_progress_is_ended_when_the_study_is_asked_to_stop(tmp_path):
    stopping = threading.Event()
    stopping.set()
    endless = tmp_path / "endless.yaml"
    os.mkfifo(endless)
    assert JobProcess().run(["validate", str(endless)], tmp_path / "log", {}, stopping) is None


def weak(answers: list[int | None]) -> WeakLabels:
    targets = np.full((len(answers), 2), 0.5)
    for row, answer in enumerate(answers):
        if answer is not None:
            targets[row] = np.eye(2)[answer] * 0.8 + 0.1
    return WeakLabels(targets, np.array([answer is None for answer in answers]))


def test_of_the_budget_only_what_is_drawn_and_answered_is_counted():
    gold = np.array([0, 1, 0, 1, 0])
    found = _seed(weak([0, 0, None, 1, 1]), gold, np.array([0, 1, 2, 3]), 2)
    assert found == {"drawn": [2, 2], "said": [[1, 0], [1, 1]]}


def test_agreement_is_of_pairs_that_both_answer():
    pool = np.array([0, 1, 2, 3])
    three = [weak([0, 1, None, 1]), weak([0, 0, 0, None]), weak([0, 1, 0, 1])]
    # first and second: 1 of 2; first and third: 3 of 3; second and third: 2 of 3
    assert _agreement(three, pool) == 0.75
    assert _agreement(three[:1], pool) is None
