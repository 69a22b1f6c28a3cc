"""Bad input ends in one clear line and the right exit code, before anything heavy runs."""

import gzip
import json
from typing import Any

import pytest


def no_trace(done) -> None:
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def gold_with(licences, **change):
    return [{**row, **change} for row in licences[0]]


BAD: dict[str, tuple[Any, int, str]] = {
    "truncated gzip": (
        lambda place, licences: place.edit(
            lambda spec: spec["data"].update(
                unlabeled={
                    "uri": place.put(
                        "cut.jsonl.gz",
                        gzip.compress("".join(json.dumps(r) + "\n" for r in licences[1]).encode())[:-400],
                    )
                }
            )
        ),
        65,
        "cut.jsonl.gz",
    ),
    "empty file": (
        lambda place, licences: place.edit(
            lambda spec: spec["data"].update(gold={"uri": place.put("empty.jsonl", b"")})
        ),
        65,
        "empty.jsonl",
    ),
    "labels outside of the classes": (
        lambda place, licences: place.edit(
            lambda spec: spec["data"].update(
                gold={"uri": place.put_rows("other.jsonl", gold_with(licences, label="viral"))}
            )
        ),
        65,
        "viral",
    ),
    "text field missing": (
        lambda place, licences: place.edit(lambda spec: spec["data"]["fields"].update(text="txet")),
        65,
        "text",
    ),
    "test too small": (
        lambda place, licences: place.edit(
            lambda spec: spec["data"].update(gold={"uri": place.put_rows("few.jsonl", licences[0][:60])})
        ),
        65,
        "test",
    ),
    "regex that does not compile": (
        lambda place, licences: place.edit(
            lambda spec: spec["weak"]["labelers"][0].update(
                functions={"rules": [{"className": "copyleft", "pattern": "gpl(v2|v3"}]}
            )
        ),
        64,
        "spec.weak.labelers[0].functions.rules[0].pattern",
    ),
    "missing weights": (
        lambda place, licences: place.edit(
            lambda spec: spec["strong"].update(model={"uri": f"{place.bucket}/no-model/"})
        ),
        64,
        "no-model",
    ),
    "package not installed": (
        lambda place, licences: place.edit(lambda spec: spec["strong"].update(model={"uri": "py://no-such"})),
        64,
        "pip install no-such",
    ),
    "no such bucket": (
        lambda place, licences: place.edit(
            lambda spec: spec["storage"].update(uri="s3://no-such-bucket/w2s")
        ),
        64,
        "no-such-bucket",
    ),
    "budget larger than what there is": (
        lambda place, licences: place.edit(lambda spec: spec["data"].update(goldBudget=5000)),
        64,
        "5,000",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_is_refused_in_one_line(workplace, licences, case):
    change, code, naming = BAD[case]
    change(workplace, licences)
    done = workplace.run()
    no_trace(done)
    assert done.returncode == code, done.stderr
    assert naming in done.stderr
    assert "label-rules" not in workplace.events("done")


def test_wrong_key(workplace):
    done = workplace.run_alone(AWS_SECRET_ACCESS_KEY="wrong")
    no_trace(done)
    assert done.returncode == 77
    assert workplace.events("started") == []


def test_read_only_bucket(workplace, embedded_s3):
    reader = embedded_s3.settings(workplace.bucket, role="reader")
    done = workplace.run("--credentials-dir", str(reader.credentials_dir))
    no_trace(done)
    assert done.returncode == 77


def test_a_typo_in_the_manifest_starts_nothing(workplace):
    workplace.edit(lambda spec: spec["strong"].update(maxtokens=3))
    done = workplace.run()
    assert done.returncode == 64
    assert "did you mean `maxTokens`" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("evaluation", [{"controls": []}, {"controls": ["GoldOnly"], "ceiling": True}, {}])
def test_nobody_votes(workplace, evaluation):
    """Whatever is compared, it ends before the strong model is read."""
    rules = [{"className": name, "keywords": [f"nowhere {name}"]} for name in ("copyleft", "permissive")]

    def edit(spec):
        spec["weak"]["labelers"] = [{"name": "rules", "type": "Functions", "functions": {"rules": rules}}]
        spec["promotion"] = {"mustBeat": []}
        spec["evaluation"] = {"seeds": 1, **evaluation}

    workplace.edit(edit)
    done = workplace.run()
    no_trace(done)
    assert done.returncode == 65, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert "unlabelled texts has a weak label: rules abstains on all of them" in line
    assert "no rule matches any of" in done.stdout
    assert "train" not in workplace.events("started")
