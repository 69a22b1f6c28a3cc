"""The last stage on a student tuned by LoRA: what is published is what was measured, in one form or the other."""

import io
import json

import numpy as np
import pyarrow.parquet as pq


def model_of(place) -> tuple[dict, set[str]]:
    """The job's pointer, and the names that lie where it points."""
    pointer = json.loads(place.objects.read(f"{place.bucket}/w2s/jobs/tests/copyleft/model.json"))
    there = {info.uri.removeprefix(pointer["uri"]) for info in place.objects.list(pointer["uri"])}
    return pointer, there


def tables(place, stage: str, name: str) -> list[dict]:
    """The rows of a stage's artifacts."""
    below = f"{place.bucket}/w2s/artifacts/{stage}/"
    found = [info.uri for info in place.objects.list(below) if info.uri.endswith(name)]
    return [row for uri in found for row in pq.read_table(io.BytesIO(place.objects.read(uri))).to_pylist()]


def check_predictions(place, capsys) -> None:
    """`w2s predict` says what was said when it was measured: the combination, and the first seed's student alone."""
    check_arm(place, capsys, "train", "strong", "--students-only")
    check_arm(place, capsys, "combine", "combined")


def check_arm(place, capsys, stage, arm, *words) -> None:
    texts = {row["id"]: row["text"] for row in tables(place, "prepare", "examples.parquet")}
    said = {
        row["id"]: row["probabilities"]
        for row in tables(place, stage, "predictions.parquet")
        if (row["arm"], row["seed"]) == (arm, 0)
    }
    said = dict(sorted(said.items())[::7])  # enough to see that the model is the same
    rows = place.directory / "rows.jsonl"
    rows.write_text("".join(json.dumps({"id": id, "text": texts[id]}) + "\n" for id in said))
    model = f"{place.bucket}/w2s/jobs/tests/copyleft/model.json"
    answers = place.predict(capsys, str(rows), *words, "--model", model)
    found = np.array([[row["probabilities"][name] for name in ("permissive", "copyleft")] for row in answers])
    expected = np.array([said[row["id"]] for row in answers])
    assert np.abs(expected - expected[0]).max() > 0.1
    precision = place.results()["training"]["trained"][0]["precision"]
    assert np.abs(found - expected).max() < (1e-4 if precision == "float32" else 0.05)


def test_a_student_is_published_merged_then_apart_then_refused(workplace, capsys):
    tuning = {"type": "LoRA", "lora": {"rank": 4, "learningRate": "0.001"}}
    workplace.edit(lambda spec: spec["strong"].update(tuning=tuning, training={"epochs": 2}))
    workplace.edit(lambda spec: spec.update(evaluation={"seeds": 1, "controls": []}))
    done = workplace.run()
    assert done.returncode == 0, done.stderr
    pointer, there = model_of(workplace)
    assert there == pointer["files"].keys() >= {"model.safetensors", "modeling_w2s.py", "README.md"}
    check_predictions(workplace, capsys)
    card = workplace.objects.read(pointer["uri"] + "README.md").decode()
    student = workplace.results()["training"]["trained"][0]
    assert f"in {student['steps']} steps, in {student['precision']}, seed 0" in card
    assert "LoRA adapters of rank 4 (alpha 32) on every linear layer" in card

    workplace.edit(lambda spec: spec["promotion"].update(publish="Adapter"))
    assert workplace.run().returncode == 0
    assert workplace.worked == ["promote"]
    pointer, there = model_of(workplace)
    assert there == pointer["files"].keys() >= {"adapter_model.safetensors", "base/model.safetensors"}
    assert "model.safetensors" not in there  # of the model that was there before
    check_predictions(workplace, capsys)

    workplace.edit(lambda spec: spec["promotion"].update(mustBeat=["Weak"], minLowerBound="0.99"))
    refused = workplace.run()
    assert refused.returncode == 0, refused.stderr
    assert "Not published" in refused.stdout
    assert model_of(workplace) == (pointer, there)
