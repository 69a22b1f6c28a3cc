"""What a job published, and whether `w2s predict` answers with what was measured."""

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
    """The rows of a stage's artifacts, or of one (`finish/<key>`)."""
    below = f"{place.bucket}/w2s/artifacts/{stage}/"
    found = [info.uri for info in place.objects.list(below) if info.uri.endswith(name)]
    return [row for uri in found for row in pq.read_table(io.BytesIO(place.objects.read(uri))).to_pylist()]


def check_predictions(place, capsys, student: str = "train") -> None:
    """`w2s predict` says what was said when it was measured: the combination, and the first seed's student alone.

    Args:
        student: the stage that made the student.
    """
    check_arm(place, capsys, student, "strong", "--students-only")
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
    trained = place.results()["training"]["trained"]  # none where students are heads
    exact = all(one["precision"] == "float32" for one in trained)
    assert np.abs(found - expected).max() < (1e-4 if exact else 0.05)
