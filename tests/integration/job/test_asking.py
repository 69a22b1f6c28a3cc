"""Asked, answered, run again: the budget grows by the answers, the pool loses them, the test stays."""

import csv
import io
import json

import pyarrow.parquet as pq
import pytest

from w2s_cli.main import main

ASKED, ANSWERED = 10, 8


@pytest.fixture(scope="module")
def job(module_workplace):
    done = module_workplace.run()
    assert done.returncode == 0, done.stderr
    return module_workplace


def ask(job, capsys, *words: str, job_words: tuple[str, ...] = ()) -> tuple[int, str, str]:
    place = ["--endpoint", job.objects.settings.endpoint]
    keys = ["--credentials-dir", str(job.objects.settings.credentials_dir)]
    capsys.readouterr()
    code = main(["ask", *(job_words or (str(job.directory / "job.yaml"),)), *words, *place, *keys])
    return code, *capsys.readouterr()


def examples(job) -> dict[str, dict[str, str]]:
    """Texts by id, of the newest `prepare`."""
    key = job.results()["provenance"]["prepare"]["key"]
    (uri,) = (
        info.uri
        for info in job.objects.list(f"{job.bucket}/w2s/artifacts/prepare/{key}/")
        if info.uri.endswith("examples.parquet")
    )
    rows = pq.read_table(io.BytesIO(job.objects.read(uri))).to_pylist()
    return {row["id"]: row for row in rows}


def features_of(job) -> list[str]:
    """What the store has of features."""
    return sorted(info.uri for info in job.objects.list(f"{job.bucket}/w2s/artifacts/features/"))


def in_part(rows, part: str) -> set[str]:
    return {name for name, row in rows.items() if row["part"] == part}


def filled(sheet: str, labels: dict[str, str], answered: int) -> bytes:
    rows = list(csv.DictReader(io.StringIO(sheet)))
    for row in rows[:answered]:
        row["label"] = labels[row["id"]]
    written = io.StringIO()
    writer = csv.DictWriter(written, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue().encode("utf-8-sig")


def test_asked_answered_and_run_again(job, licences, capsys, tmp_path):
    before, results, features = examples(job), job.results(), features_of(job)
    labels = {row["id"]: row["label"] for row in licences[1]}
    tasks = tmp_path / "tasks.json"
    sheet = tmp_path / "asked.csv"
    code, _, said = ask(job, capsys, "-n", str(ASKED), "--out", str(sheet), "--label-studio", str(tasks))
    assert code == 0, said
    rows = list(csv.DictReader(io.StringIO(sheet.read_text("utf-8-sig"))))
    asked = [row["id"] for row in rows]
    assert len(set(asked)) == ASKED
    assert set(asked) <= in_part(before, "pool")
    assert len({before[name]["family"] for name in asked}) == ASKED
    assert {row["label"] for row in rows} == {""}
    assert all(row["licence"] for row in rows)
    assert "The last step of the gold-only curve brought" in said
    assert "data.asked.uri" in said
    assert [task["data"]["w2s_id"] for task in json.loads(tasks.read_text())] == asked
    assert '<Choice value="copyleft"/>' in tasks.with_suffix(".xml").read_text()

    job.put("asked/first.csv", filled(sheet.read_text("utf-8-sig"), labels, ANSWERED))
    job.edit(lambda spec: spec["data"].update(asked={"uri": f"{job.bucket}/data/asked/"}))
    done = job.run()
    assert done.returncode == 0, done.stderr
    assert job.worked[0] == "prepare"
    assert set(job.worked) == {*results["provenance"], "evaluate", "promote"}

    assert features_of(job) == features  # no text is read again

    after, again = examples(job), job.results()
    answered = set(asked[:ANSWERED])
    assert in_part(after, "test") == in_part(before, "test")
    assert in_part(after, "budget") == in_part(before, "budget") | answered
    assert in_part(after, "pool") == in_part(before, "pool") - answered
    assert all(after[name]["text"] == before[name]["text"] for name in after)
    assert again["data"]["asked"] == {"labelled": ANSWERED, "unanswered": ASKED - ANSWERED}
    assert again["data"]["removed"] == results["data"]["removed"]
    assert [point["labels"] for point in again["evaluation"]["goldOnlyCurve"]] == [16, 32, 32 + ANSWERED]
    # Those that were drawn are drawn again, and come first: the curve below is as it was.
    assert again["evaluation"]["goldOnlyCurve"][0] == results["evaluation"]["goldOnlyCurve"][0]
    assert again["combination"]["goldLabels"] == {
        seed: labels + ANSWERED for seed, labels in results["combination"]["goldLabels"].items()
    }
    assert again["evaluation"]["test"] == results["evaluation"]["test"]

    code, out, said = ask(job, capsys, "-n", str(ASKED), "--blind")
    assert code == 0, said
    assert "w2s_" not in out.splitlines()[0]
    assert answered.isdisjoint(row["id"] for row in csv.DictReader(io.StringIO(out)))


BAD = {
    "other ids": (lambda rows: [{**row, "id": f"x{row['id']}"} for row in rows], "are no texts of the pool"),
    "one column sorted": (
        lambda rows: [
            {**row, "text": other["text"]} for row, other in zip(rows, rows[1:] + rows[:1], strict=True)
        ],
        "another text than the pool's row of the same id",
    ),
    "a label that is none": (lambda rows: [{**row, "label": "copyleftish"} for row in rows], "copyleftish"),
}


@pytest.mark.parametrize("case", BAD)
def test_answers_that_do_not_fit_are_named_and_nothing_is_lost(job, licences, case):
    change, naming = BAD[case]
    pooled = sorted(in_part(examples(job), "pool"))[:5]
    known = {row["id"]: row for row in licences[1]}
    rows = change([{name: known[one][name] for name in ("id", "text", "label")} for one in pooled])
    uri = job.put_rows(f"bad-{len(naming)}.jsonl", rows)
    before = job.results()
    job.edit(lambda spec: spec["data"].update(asked={"uri": uri}))
    done = job.run()
    assert done.returncode == 65
    assert naming in done.stderr
    assert "Traceback" not in done.stderr
    assert job.results() == before


WRONG = {
    "no such job": (("tests/copyfelt", "-n", "3"), 65, "no job of that name has come to its end"),
    "too many": (("tests/copyleft", "-n", "5000"), 65, "Ask for"),
    "another format": (("tests/copyleft", "--out", "asked.xlsx"), 64, "must end in .csv or .jsonl"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_asked_is_one_line(job, capsys, case):
    words, expected, naming = WRONG[case]
    code, out, said = ask(job, capsys, "--storage", f"{job.bucket}/w2s", job_words=words)
    assert (code, out) == (expected, "")
    assert naming in said
    assert said.count("\n") == 1


def test_a_file_that_may_hold_answers_is_not_written_over(job, capsys, tmp_path):
    sheet = tmp_path / "asked.csv"
    sheet.write_text("id,label\n1,copyleft\n")
    code, _, said = ask(job, capsys, "--out", str(sheet))
    assert code == 65
    assert "may hold answers" in said
    assert sheet.read_text() == "id,label\n1,copyleft\n"
