"""What a user copies must be right: manifests are valid, and the demo's data are what docs/demo.md says."""

import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from w2s_api.spec.job import WeakToStrongJob
from w2s_trainer.data.normal_form import normalised
from w2s_trainer.families.generation.scores import rouge_l
from w2s_trainer.stages.label.functions import compile_rules, vote, write

EXAMPLES = Path(__file__).parents[3] / "examples"
MANIFESTS = sorted(EXAMPLES.glob("*.yaml"))
TASKS = ("restricted", "copyleft")
WRITTEN = {"expressions": "notices", "questions": "questions", "titles": "titles"}
SCRIPTS = {name: [f"{script}.py"] for name, script in WRITTEN.items()} | {
    task: ["licences.py", "--task", task] for task in TASKS
}


def job(path: Path) -> WeakToStrongJob:
    return WeakToStrongJob.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def build(task: str, out: Path) -> Path:
    script, *more = SCRIPTS[task]
    command = [sys.executable, str(EXAMPLES / "data" / script), *more, "--out", str(out)]
    subprocess.run(command, check=True)
    return out


def rows_of(built: Path) -> dict[str, list[dict[str, str]]]:
    gold = (built / "gold.jsonl").read_text(encoding="utf-8").splitlines()
    pool = gzip.decompress((built / "unlabeled.jsonl.gz").read_bytes()).decode().splitlines()
    return {"gold": [json.loads(line) for line in gold], "pool": [json.loads(line) for line in pool]}


@pytest.fixture(scope="module", params=TASKS)
def task(request) -> str:
    pytest.importorskip("licensedcode", reason="pip install 'w2s[demo]'")
    return request.param


@pytest.fixture(scope="module")
def built(task, tmp_path_factory) -> Path:
    return build(task, tmp_path_factory.mktemp(task))


@pytest.fixture(scope="module")
def data(built) -> dict[str, list[dict[str, str]]]:
    return rows_of(built)


@pytest.fixture(scope="module")
def notices(tmp_path_factory) -> Path:
    pytest.importorskip("licensedcode", reason="pip install 'w2s[demo]'")
    return build("expressions", tmp_path_factory.mktemp("expressions"))


def test_there_is_an_example_of_each_kind_of_labeler():
    kinds = {labeler.type for path in MANIFESTS for labeler in job(path).spec.weak.labelers}
    assert kinds == {"Classifier", "Endpoint", "Finetuned", "Functions", "Imported"}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_is_valid_and_its_rules_compile(path):
    spec = job(path).spec
    for labeler in spec.weak.labelers:
        if labeler.functions:
            assert compile_rules(labeler.functions, labeler.name)
    assert all(label.description for label in spec.task.classes), "`zero-shot` compares texts with them"


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_names_no_endpoint_of_ours_and_no_credentials(path):
    said = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["storage"]
    # That of the quick start names a Secret, and the private network of the test cluster.
    in_a_cluster = {"endpoint", "credentialsSecretRef"} if path.stem == "kubernetes" else set()
    assert set(said) == {"uri"} | in_a_cluster


def test_the_rules_of_the_demo_are_the_frozen_twelve():
    (labeler,) = job(EXAMPLES / "restricted.yaml").spec.weak.labelers
    assert Counter(rule.class_name for rule in labeler.functions.rules_) == {"restricted": 6, "free": 6}
    assert labeler.functions.max_characters == 900


def test_rows_carry_the_fields_and_classes_of_the_manifest(task, data):
    spec = job(EXAMPLES / f"{task}.yaml").spec
    fields = spec.data.fields
    for rows in data.values():
        assert all(set(row) == {fields.id, fields.group, fields.text, fields.label} for row in rows)
        assert {row[fields.label] for row in rows} == set(spec.task.class_names)


def test_classes_are_balanced_and_no_licence_weighs_more_than_four_rows(data):
    for rows in data.values():
        assert len(set(Counter(row["label"] for row in rows).values())) == 1
        assert max(Counter(row["licence"] for row in rows).values()) <= 4


def test_a_row_and_a_licence_are_in_one_file_only(data):
    every = [row["id"] for rows in data.values() for row in rows]
    assert len(every) == len(set(every))
    assert not {row["licence"] for row in data["gold"]} & {row["licence"] for row in data["pool"]}


def test_there_are_enough_rows_for_a_test_a_budget_and_a_pool(task, data):
    spec = job(EXAMPLES / f"{task}.yaml").spec
    outside_the_test = len(data["gold"]) * (1 - float(spec.data.test_fraction))
    assert len(data["gold"]) >= 1000
    assert len(data["pool"]) >= 600
    assert outside_the_test >= 256 > spec.data.gold_budget, "so that seeds draw different budgets"


def test_the_same_package_gives_the_same_bytes(task, built, tmp_path):
    again = build(task, tmp_path)
    for name in ("gold.jsonl", "unlabeled.jsonl.gz"):
        assert (again / name).read_bytes() == (built / name).read_bytes()


def test_the_rules_say_something_about_half_of_the_texts_and_are_better_than_chance(task, data):
    spec = job(EXAMPLES / f"{task}.yaml").spec
    rules = next(labeler.functions for labeler in spec.weak.labelers if labeler.functions)
    rows = data["gold"] + data["pool"]
    votes = vote(rules, spec.task.class_names, [row["text"] for row in rows])
    label = np.array([spec.task.class_names.index(row["label"]) for row in rows])
    voted = ~votes.abstain
    assert 0.3 < voted.mean() < 0.9
    assert (votes.probabilities.argmax(1) == label)[voted].mean() > 0.7


def test_notices_carry_the_fields_of_the_manifest_and_stand_in_one_file_only(notices):
    spec = job(EXAMPLES / "expressions.yaml").spec
    fields = spec.data.fields
    data = rows_of(notices)
    every = data["gold"] + data["pool"]
    assert all(set(row) == {fields.id, fields.text, fields.label} for row in every)
    assert all(40 <= len(row["text"]) <= 600 and row["expression"] for row in every)
    assert not any("{{" in row["text"] for row in every), "marks of the words that a rule is about"
    openings = [" ".join(normalised(row["text"]).split()[:8]) for row in every]
    assert len(set(openings)) == len({row["id"] for row in every}) == len(every)


def test_notices_are_enough_for_a_test_a_budget_and_a_pool(notices):
    spec = job(EXAMPLES / "expressions.yaml").spec
    data = rows_of(notices)
    outside_the_test = len(data["gold"]) * (1 - float(spec.data.test_fraction))
    assert len(data["pool"]) == 400
    assert outside_the_test >= 3 * spec.data.gold_budget, "so that seeds draw different budgets"


def test_the_same_package_gives_the_same_notices(notices, tmp_path):
    again = build("expressions", tmp_path)
    for name in ("gold.jsonl", "unlabeled.jsonl.gz"):
        assert (again / name).read_bytes() == (notices / name).read_bytes()


def test_twenty_rules_write_expressions_that_are_mostly_right(notices):
    (labeler,) = job(EXAMPLES / "expressions.yaml").spec.weak.labelers
    assert len(labeler.functions.rules_) == 20
    rows = [row for part in rows_of(notices).values() for row in part]
    written = write(labeler.functions, [row["text"] for row in rows])
    right = np.array([normalised(row["expression"]) for row in rows]) == [
        normalised(text) for text in written
    ]
    assert 0.6 < (written != "").mean() < 0.8
    assert 0.6 < right[written != ""].mean() < 0.8


def test_every_question_has_one_answer_that_stands_in_its_text(tmp_path):
    data = rows_of(build("questions", tmp_path))
    fields = job(EXAMPLES / "questions.yaml").spec.data.fields
    for row in data["gold"]:
        assert set(row) == {fields.id, fields.group, fields.text, fields.label}
        question, passage = row["text"].split("\n\n", 1)
        assert question.endswith("?")
        assert normalised(row["answer"]) in normalised(passage)
    assert len({row["id"] for row in data["gold"]}) == len(data["gold"])
    assert all(set(row) == {fields.id, fields.group, fields.text} for row in data["pool"]), (
        "no gold in the pool"
    )
    licences = [{row["licence"] for row in data[name]} for name in ("gold", "pool")]
    assert not set.intersection(*licences)
    again = tmp_path / "again"
    build("questions", again)
    for name in ("gold.jsonl", "unlabeled.jsonl.gz"):
        assert (again / name).read_bytes() == (tmp_path / name).read_bytes()


@pytest.fixture(scope="module")
def titles(tmp_path_factory) -> Path:
    pytest.importorskip("licensedcode", reason="pip install 'w2s[demo]'")
    return build("titles", tmp_path_factory.mktemp("titles"))


def test_titles_carry_the_fields_of_the_manifest_and_stand_in_one_file_only(titles, tmp_path):
    spec = job(EXAMPLES / "titles.yaml").spec
    fields, data = spec.data.fields, rows_of(titles)
    every = data["gold"] + data["pool"]
    assert all(set(row) == {fields.id, fields.text, fields.label} for row in every)
    assert all(len(row["text"]) <= 400 and 3 <= len(row["title"].split()) <= 12 for row in every)
    openings = [" ".join(row["text"].casefold().split()[:8]) for row in every]
    assert len(set(openings)) == len({row["id"] for row in every}) == len(every)
    assert len(data["gold"]) * (1 - float(spec.data.test_fraction)) >= 2 * spec.data.gold_budget
    again = build("titles", tmp_path)
    for name in ("gold.jsonl", "unlabeled.jsonl.gz"):
        assert (again / name).read_bytes() == (titles / name).read_bytes()


def test_a_heading_is_most_of_a_title_and_a_mention_little(titles):
    spec = job(EXAMPLES / "titles.yaml").spec
    rows = [row for part in rows_of(titles).values() for row in part]
    score = {}
    for labeler in spec.weak.labelers:
        written = write(labeler.functions, [row["text"] for row in rows])
        pairs = [(text, row["title"]) for text, row in zip(written, rows, strict=True) if text]
        score[labeler.name] = (len(pairs) / len(rows), np.mean([rouge_l(*pair) for pair in pairs]))
    (heads, of_heads), (mentions, of_mentions) = score["heading"], score["mention"]
    assert 0.75 < heads < 0.9
    assert 0.5 < of_heads < 0.7
    assert 0.25 < mentions < 0.5
    assert of_mentions < of_heads
