"""The stage `label` with an endpoint that writes: one question a text, the answer is the text."""

import io
import json
import os
import signal
from functools import partial
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from bench import GOLD, TEXTS, Bench
from fake_endpoint import FakeEndpoint, completion, error

from w2s_trainer.errors import BadSpec, Stopped
from w2s_trainer.stages.label import endpoint
from w2s_trainer.stages.label.remote import client, patience
from w2s_trainer.stages.label.remote.reading import log_likelihood, read_text
from w2s_trainer.stages.label.remote.reply import Choice, Token

WRITING = {
    "task": {
        "type": "Generation",
        "instruction": "Which sound does it make?",
        "generation": {"maxNewTokens": 9, "stop": ["\n"]},
    },
    "strong": {"model": {"uri": "py://some-llm"}, "tuning": {"type": "LoRA"}},
    "promotion": {"metric": "ExactMatch"},
}
SOUNDS = np.array(["Meow", "Woof,\nwoof"], dtype=object)[GOLD]


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    monkeypatch.setattr(patience, "FIRST", 0.001)
    monkeypatch.setattr(patience, "LONGEST", 0.01)
    return Bench(tmp_path, gold=SOUNDS, parts_of_spec=WRITING)


def echo(request: Any, _before: int) -> Any:
    return completion(f"The sound of {request.text}\nand no more.")


def rows_of(artifact: Any) -> dict[int, dict[str, dict[str, Any]]]:
    found: dict[int, dict[str, dict[str, Any]]] = {}
    for name in sorted(name for name in artifact.files if name.startswith("labels")):
        for row in pq.read_table(io.BytesIO(artifact.read(name))).to_pylist():
            found.setdefault(row["seed"], {})[row["id"]] = row
    return found


def test_each_text_is_asked_about_once_and_the_answer_is_its_text(bench, summary_is_documented):
    with FakeEndpoint(echo) as fake:
        artifact = bench.label(bench.context(fake.url))
    assert fake.asked == dict.fromkeys(TEXTS, 1)
    sent = fake.requests[0].body
    assert (sent["max_tokens"], sent["temperature"]) == (9, 0.0)
    (turn,) = sent["messages"]
    assert turn["content"].startswith("Which sound does it make?\n\nThe text stands between tags.")
    assert "class" not in turn["content"]
    found = rows_of(artifact)[-1]
    assert {name: row["answer"] for name, row in found.items()} == {
        f"id-{number}": f"The sound of {text}" for number, text in enumerate(TEXTS)
    }
    assert "probability" not in found["id-0"], "one answer does not tell how sure it is"
    summary_is_documented(artifact.summary, "label", "label of type Endpoint")


def test_shots_are_turns_and_count_as_shown(bench):
    with FakeEndpoint(echo) as fake:
        artifact = bench.label(bench.context(fake.url, shots=2, maxTokensOut=77))
    assert set(rows_of(artifact)) == {0, 1}
    assert len(fake.requests) == 2 * len(TEXTS)
    for request in fake.requests:
        turns = request.body["messages"]
        assert [turn["role"] for turn in turns] == ["user", "assistant"] * 2 + ["user"]
        assert {turns[1]["content"], turns[3]["content"]} <= set(SOUNDS)
        assert request.body["max_tokens"] == 77


def test_what_is_no_text_is_an_abstention_and_counted(bench):
    def says(request: Any, _before: int) -> Any:
        if "cat" in request.text:
            return completion("Half a sen", finish="length")
        return completion("", refusal="no") if "3" in request.text else completion(" \n ")

    with FakeEndpoint(says) as fake:
        artifact = bench.label(bench.context(fake.url))
    assert all(row["abstain"] and row["answer"] == "" for row in rows_of(artifact)[-1].values())
    assert artifact.summary["asked"]["-1"]["unanswered"] == {"empty": 9, "cutOff": 10, "refused": 1}
    assert artifact.summary["abstained"] == 20


def test_of_several_answers_the_one_that_agrees_is_taken(bench):
    with FakeEndpoint(lambda _request, _before: completion("Meow", "Purr", "meow", "Hiss")) as fake:
        artifact = bench.label(bench.context(fake.url, samples=4, temperature="0.7"))
    row = rows_of(artifact)[-1]["id-0"]
    assert (row["answer"], row["probability"]) == ("Meow", 0.5)


def with_tokens(*tokens: tuple[str, float]) -> dict[str, Any]:
    return {"content": [{"token": text, "logprob": logprob} for text, logprob in tokens]}


def test_the_probability_of_a_text_is_that_of_its_tokens_up_to_where_it_ends(bench):
    tokens = with_tokens(("Me", -0.5), ("ow", -0.25), ("\n", -1.0), ("more", -9.0))

    def says(request: Any, _before: int) -> Any:
        if "cat" in request.text:
            return completion("Meow\nmore", logprobs=tokens)
        return completion("Woof", logprobs=tokens) if "3" in request.text else completion("Woof")

    with FakeEndpoint(says) as fake:
        artifact = bench.label(bench.context(fake.url, logprobs=True))
    assert fake.requests[0].body["logprobs"] is True
    assert "top_logprobs" not in fake.requests[0].body, "what could have stood there is not read"
    found = rows_of(artifact)[-1]
    assert found["id-0"]["probability"] == pytest.approx(np.exp(-0.75))
    assert np.isnan(found["id-1"]["probability"]), "the endpoint does not tell"
    assert np.isnan(found["id-7"]["probability"]), "they are not those of the answer"
    assert artifact.summary["asked"]["-1"]["fromTokens"] == 10


def test_an_endpoint_that_gives_no_probabilities_is_asked_without(bench):
    def says(request: Any, _before: int) -> Any:
        if "logprobs" in request.body:
            return error(400, "logprobs is not supported")
        return completion("Meow")

    with FakeEndpoint(says) as fake:
        artifact = bench.label(bench.context(fake.url, logprobs=True, concurrency=1))
    assert len(fake.requests) == len(TEXTS) + 1
    assert "llm: the endpoint refuses `logprobs`: none are asked for" in bench.told
    assert all(
        np.isnan(row["probability"]) and row["answer"] == "Meow" for row in rows_of(artifact)[-1].values()
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Meow", -0.75), ("ow", -0.25), ("Meow\nmore", -10.75), ("", np.nan), ("Purr", np.nan)],
)
def test_the_log_likelihood_of_a_part_of_an_answer(text, expected):
    tokens = tuple(
        Token(part, logprob, {})
        for part, logprob in [("Me", -0.5), ("ow", -0.25), ("\n", -1.0), ("more", -9.0)]
    )
    choice = Choice("Meow\nmore", tokens=tokens)
    assert log_likelihood(choice, text) == pytest.approx(expected, nan_ok=True)


def test_the_log_likelihood_is_of_what_comes_after_a_thought_and_before_what_is_said_again():
    parts = [("<think>", -1.0), ("ow", -7.0), ("</think>", -1.0), ("ow", -0.25), ("\n", -1.0), ("ow", -9.0)]
    tokens = tuple(Token(part, logprob, {}) for part, logprob in parts)
    choice = Choice("".join(part for part, _ in parts), tokens=tokens)
    assert log_likelihood(choice, read_text(choice, ("\n",))[1]) == -0.25


def test_who_is_interrupted_asks_for_the_rest_alone_and_ends_with_the_same_texts(bench):
    with FakeEndpoint(echo) as fake:
        whole = rows_of(bench.label(bench.context(fake.url, temperature="0.1")))

    def stopping(request: Any, before: int) -> Any:
        if len(fake.requests) == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return echo(request, before)

    with FakeEndpoint(stopping) as fake:
        with pytest.raises(Stopped):
            bench.label(bench.context(fake.url, concurrency=1))
        fake.script = echo
        found = rows_of(bench.label(bench.context(fake.url, concurrency=1)))
        assert fake.asked == dict.fromkeys(TEXTS, 1)
    assert found == whole


def test_a_server_that_is_away_is_waited_for_and_no_text_is_lost(bench, monkeypatch):
    """It dies after seven texts, is back at the third look, and is asked about each text once."""
    looks: list[int] = []

    def dice() -> float:
        looks.append(1)
        if len(looks) == 3:
            fake.begin()
        return 1.0

    def dies(request: Any, before: int) -> Any:
        if len(fake.requests) == 7:
            fake.end()
        return echo(request, before)

    monkeypatch.setattr(endpoint, "Client", partial(client.Client, dice=dice))
    with FakeEndpoint(dies) as fake:
        artifact = bench.label(bench.context(fake.url, concurrency=1))
    assert len(looks) == 3
    assert fake.asked == dict.fromkeys(TEXTS, 1)
    assert [row["answer"] for row in rows_of(artifact)[-1].values()] == [
        f"The sound of {text}" for text in TEXTS
    ]


EVIL = {
    "markup": "<script>alert('cat')</script> &amp; <b>",
    "a terminal's colours": "\x1b[31mred\x1b[0m",
    "what ends a string in C": "a\x00b",
    "another direction": "\u202ekcab",
    "a formula": "=HYPERLINK(1)",
}


@pytest.mark.parametrize("evil", EVIL.values(), ids=list(EVIL))
def test_whatever_is_written_is_kept_as_it_is_and_nowhere_but_in_the_labels(bench, evil):
    """It is harmless in a table; whoever shows it makes it so (`tests/unit/report/test_report_of_texts.py`)."""
    with FakeEndpoint(lambda _request, _before: completion(evil)) as fake:
        artifact = bench.label(bench.context(fake.url))
    assert {row["answer"] for row in rows_of(artifact)[-1].values()} == {evil}
    said = json.dumps(dict(artifact.summary)) + "".join(bench.told)
    assert evil not in said
    assert json.dumps(evil)[1:-1] not in said


def test_the_limit_of_the_cost_knows_how_long_a_text_may_be(bench):
    prices = {"pricePerMillionTokens": {"input": "0", "output": "100000"}, "maxCost": "2"}
    with FakeEndpoint(echo) as fake, pytest.raises(BadSpec) as error:
        bench.label(bench.context(fake.url, concurrency=1, **prices))
    assert error.value.reason == "MaxCostReached"
    assert len(fake.requests) == 6, "2 tokens each are paid for, 9 more have to fit"


@pytest.mark.parametrize(
    ("choice", "read"),
    [
        (Choice("a\nb"), ("answered", "a")),
        (Choice("<think>no\nyes</think> a "), ("answered", "a")),
        (Choice("a\nb", finish="length"), ("answered", "a")),
        (Choice("a", finish="length"), ("cutOff", "")),
        (Choice("a", refused=True), ("refused", "")),
        (Choice("\nb"), ("empty", "")),
        (Choice("a \ud83d"), ("answered", "a ?")),
    ],
)
def test_a_text_is_read(choice, read):
    assert read_text(choice, ("\n",)) == read
