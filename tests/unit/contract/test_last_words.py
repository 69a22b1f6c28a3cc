import base64
import hashlib
import json
import zlib

import pytest

from w2s_api.artifact_list import pack, unpack
from w2s_trainer.contract.last_words import LIMIT, LastWords, read_last_words


def test_they_come_back_as_they_were_written(tmp_path):
    words = LastWords("Done", artifact="ab" * 16, figures={"rows": 3}, artifacts={"train": "cd" * 16})
    words.write(tmp_path / "words")
    assert read_last_words(tmp_path / "words") == words


def test_a_long_message_is_cut_to_the_limit_and_the_rest_is_kept():
    words = LastWords("Failed", "LabelOutsideClasses", "é" * 5000, figures={"rows": 3})
    data = words.encode()
    plain = json.loads(data)
    assert len(data) <= LIMIT
    assert plain["message"].endswith("…")
    assert plain["reason"] == "LabelOutsideClasses"
    assert plain["figures"] == {"rows": 3}


def test_figures_go_before_artifacts_do():
    artifacts = {f"label-{i}": "0" * 32 for i in range(8)}
    words = LastWords("Done", figures={f"figure-{i}": "x" * 50 for i in range(80)}, artifacts=artifacts)
    plain = json.loads(words.encode())
    assert plain["figures"] == {}
    assert unpack(plain["artifacts"]) == artifacts
    assert len(words.encode()) <= LIMIT


def plan(stages):
    """As unlike as keys are, of stages as many seeds and labelers make them."""
    names = [f"label-{hashlib.sha256(bytes([i])).hexdigest()[:24]}" for i in range(20)]
    names += [f"train-{arm}-{seed}" for seed in range(40) for arm in ("unfiltered", "ceiling", "gold-only")]
    return {name: hashlib.sha256(name.encode()).hexdigest()[:32] for name in names[:stages]}


@pytest.mark.parametrize("stages", [0, 1, 20, 60, 90, 128])
def test_the_artifacts_of_the_largest_plan_fit_beside_figures(tmp_path, stages):
    artifacts = plan(stages)
    figures = {f"figure {i}": 1234.5678 for i in range(16)}
    words = LastWords("Done", message="x" * 5000, artifact="ab" * 16, figures=figures, artifacts=artifacts)
    words.write(tmp_path / "words")
    assert (tmp_path / "words").stat().st_size <= LIMIT
    read = read_last_words(tmp_path / "words")
    assert read is not None
    assert (read.artifacts, read.figures, len(read.artifacts)) == (artifacts, figures, stages)


def test_a_short_list_can_be_read_by_people():
    plain = json.loads(LastWords("Done", artifacts=plan(20)).encode())
    assert plain["artifacts"] == plan(20)


@pytest.mark.parametrize(
    "told",
    [
        "",
        "no base85 \x00",
        "abcde",
        pack(plan(8))[:-5],
        pack({"x" * 100_000: "0" * 32}),
        base64.b85encode(zlib.compress(b"train")).decode(),
        base64.b85encode(zlib.compress(b"\xff") + bytes(16)).decode(),
        [],
        3,
        None,
        {"train": None},
    ],
)
def test_a_list_that_is_none_is_not_believed(tmp_path, told):
    with pytest.raises(ValueError, match=r"."):
        unpack(told)
    (tmp_path / "words").write_text(json.dumps({"outcome": "Done", "artifacts": told}))
    assert read_last_words(tmp_path / "words") is None


def test_a_killed_process_leaves_none(tmp_path):
    assert read_last_words(tmp_path / "nothing") is None
    (tmp_path / "half").write_text('{"outcome": "Do')
    assert read_last_words(tmp_path / "half") is None
    (tmp_path / "other").write_text('["not", "words"]')
    assert read_last_words(tmp_path / "other") is None
