import json

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
    words = LastWords(
        "Done",
        figures={f"figure-{i}": "x" * 50 for i in range(60)},
        artifacts={f"label-{i}": "0" * 32 for i in range(8)},
    )
    plain = json.loads(words.encode())
    assert plain["figures"] == {}
    assert len(plain["artifacts"]) == 8
    assert len(words.encode()) <= LIMIT


def test_a_killed_process_leaves_none(tmp_path):
    assert read_last_words(tmp_path / "nothing") is None
    (tmp_path / "half").write_text('{"outcome": "Do')
    assert read_last_words(tmp_path / "half") is None
    (tmp_path / "other").write_text('["not", "words"]')
    assert read_last_words(tmp_path / "other") is None
