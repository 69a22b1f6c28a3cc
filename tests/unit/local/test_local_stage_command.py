"""The command line of the process contract."""

import argparse
import json

import pytest

from w2s_cli import stage
from w2s_cli.main import main


@pytest.mark.parametrize(("text", "shard"), [("0/1", (0, 1)), ("3/4", (3, 4))])
def test_a_shard_is_an_index_from_0_and_a_count(text, shard):
    assert parse("prepare", "--job", "job.json", "--shard", text).shard == shard


@pytest.mark.parametrize("text", ["", "1", "1/1", "2/1", "-1/2", "0/0", "a/b", "1/2/3"])
def test_what_is_no_shard_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        parse("prepare", "--job", "job.json", "--shard", text)
    assert "--shard" in capsys.readouterr().err


def test_last_words_go_where_the_environment_says_else_to_the_pods_termination_log(monkeypatch, tmp_path):
    log = tmp_path / "termination-log"
    monkeypatch.setattr(stage, "TERMINATION_LOG", log)
    monkeypatch.delenv("W2S_LAST_WORDS", raising=False)
    assert parse("prepare", "--job", "job.json").last_words is None
    log.touch()
    assert parse("prepare", "--job", "job.json").last_words == log
    monkeypatch.setenv("W2S_LAST_WORDS", str(tmp_path / "words"))
    assert parse("prepare", "--job", "job.json").last_words == tmp_path / "words"


def test_a_job_file_that_is_none_ends_with_64_and_last_words(tmp_path, capsys):
    (tmp_path / "job.json").write_text("{")
    words = tmp_path / "words"
    places = ["--scratch", str(tmp_path / "scratch"), "--cache", str(tmp_path / "cache")]
    command = ["stage", "prepare", "--job", str(tmp_path / "job.json"), "--last-words", str(words), *places]
    assert main(command) == 64
    said = json.loads(words.read_text())
    assert (said["outcome"], said["reason"]) == ("Failed", "BadJobFile")
    assert "not a job file of this version" in capsys.readouterr().err


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    stage.add_arguments(parser)
    return parser.parse_args(arguments)
