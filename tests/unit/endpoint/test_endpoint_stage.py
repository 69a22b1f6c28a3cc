"""The stage `label` with an endpoint that answers, refuses, dies, comes back, talks nonsense, and costs."""

import json
import math
import os
import signal
import threading
from functools import partial

import numpy as np
import pytest
from bench import GOLD, PARTS, TEXTS, Bench
from fake_endpoint import KEY, FakeEndpoint, Says, by_keyword, completion, error

from w2s_trainer.errors import BadSpec, EndpointDenied, EndpointUnavailable, Stopped
from w2s_trainer.stages.label import endpoint
from w2s_trainer.stages.label.remote import asking, client, patience
from w2s_trainer.stages.label.summary import whole_summary
from w2s_trainer.stages.tables import EVERY_SEED

ANIMALS = by_keyword(cat="cat", dog="dog")
CHEAP = {"pricePerMillionTokens": {"input": "10", "output": "100"}}  # 100 tokens in and 2 out: .0012


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    monkeypatch.setattr(patience, "FIRST", 0.001)
    monkeypatch.setattr(patience, "LONGEST", 0.01)
    monkeypatch.setenv("W2S_ENDPOINT_API_KEY", f" {KEY}\n")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return Bench(tmp_path)


def test_each_text_is_asked_about_once_and_the_named_class_is_its_label(bench, summary_is_documented):
    with FakeEndpoint(ANIMALS) as fake:
        artifact = bench.label(bench.context(fake.url, **CHEAP))
    assert fake.asked == dict.fromkeys(TEXTS, 1)
    sent = fake.requests[0]
    assert sent.path == "/v1/chat/completions"
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert {name: sent.body[name] for name in sent.body if name != "messages"} == {
        "model": "m",
        "max_tokens": 32,
        "temperature": 0.0,
    }
    found = bench.table(artifact)
    assert set(found) == {EVERY_SEED}
    assert found[EVERY_SEED] == pytest.approx(np.where(np.eye(2)[GOLD] == 1, 1.25, 0.25) / 1.5)
    summary = artifact.summary
    summary_is_documented(summary, "label", "label of type Endpoint")
    asked = summary["asked"]["-1"]
    assert (asked["questions"], asked["requests"], asked["tokensIn"], asked["tokensOut"]) == (
        20,
        20,
        2000,
        40,
    )
    assert asked["cost"] == pytest.approx(0.024)
    assert (asked["unanswered"], asked["examples"], summary["abstained"]) == ({}, [], 0)
    assert any(line.endswith("texts/s") for line in bench.told)
    assert "llm: 20 requests, 2,000 tokens in and 40 out, cost 0.024" in bench.told


def test_the_key_is_nowhere_but_in_the_request(bench):
    with FakeEndpoint(ANIMALS) as fake:
        context = bench.context(fake.url)
        bench.label(context)
    kept = [*bench.objects.at.values(), *(line.encode() for line in bench.told)]
    assert not any(KEY.encode() in data for data in kept)
    assert KEY not in json.dumps(context.job.to_json())


def test_without_a_key_none_is_sent_and_openais_own_variable_is_the_second_choice(bench, monkeypatch):
    monkeypatch.delenv("W2S_ENDPOINT_API_KEY")
    with FakeEndpoint(ANIMALS) as fake:
        bench.label(bench.context(fake.url))
        assert "authorization" not in fake.requests[-1].headers
        monkeypatch.setenv("OPENAI_API_KEY", "other")
        bench.label(bench.context(fake.url, temperature="0.1"))
        assert fake.requests[-1].headers["authorization"] == "Bearer other"


@pytest.mark.parametrize("key", ["sk-a\nb", "sk-a b", "sk-é"])
def test_a_key_that_no_header_can_have_is_refused_before_anything_is_asked(bench, monkeypatch, key):
    monkeypatch.setenv("W2S_ENDPOINT_API_KEY", key)
    with FakeEndpoint(ANIMALS) as fake, pytest.raises(EndpointDenied) as raised:
        bench.label(bench.context(fake.url))
    assert (key in str(raised.value), fake.requests) == (False, [])


def test_accounts_of_the_environment_are_not_sent(bench, monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    with FakeEndpoint(ANIMALS) as fake:
        bench.label(bench.context(fake.url))
    assert not {"openai-organization", "openai-project"} & set(fake.requests[0].headers)


def test_shots_are_of_each_seeds_budget_and_their_rows_are_known(bench):
    with FakeEndpoint(ANIMALS) as fake:
        artifact = bench.label(bench.context(fake.url, shots=2))
    assert set(bench.table(artifact)) == {0, 1}
    assert fake.asked == dict.fromkeys(TEXTS, 2)
    budget = [f"<text>\n{text}\n</text>" for text in np.array(TEXTS)[PARTS == "budget"]]
    for request in fake.requests:
        first, answer, second, *_ = (turn["content"] for turn in request.body["messages"])
        assert first.endswith(tuple(budget))
        assert second in budget
        assert answer in first[-40:]


def test_orders_are_averaged_and_texts_that_they_change_are_counted(bench):
    def first_listed(request, _before):
        return completion(request.body["messages"][0]["content"].split("Classes:\n- ")[1].split("\n")[0])

    with FakeEndpoint(first_listed) as fake:
        artifact = bench.label(bench.context(fake.url, orders=2))
    assert artifact.summary["orderSensitive"] == 20
    assert bench.table(artifact)[EVERY_SEED] == pytest.approx(np.full((20, 2), 0.5))


def test_the_share_of_several_answers_is_the_probability(bench):
    with FakeEndpoint(lambda _request, _before: completion("cat", "dog", "dog", "dog")) as fake:
        artifact = bench.label(bench.context(fake.url, samples=4, temperature="1"))
    assert fake.requests[0].body["n"] == 4
    assert bench.table(artifact)[EVERY_SEED] == pytest.approx(np.tile([0.25, 0.75], (20, 1)))


def test_a_server_that_gives_one_answer_at_a_time_is_asked_until_there_are_enough(bench):
    with FakeEndpoint(lambda _request, before: completion(["cat", "dog"][before % 2])) as fake:
        artifact = bench.label(bench.context(fake.url, samples=4, temperature="1"))
    assert set(fake.asked.values()) == {4}
    assert bench.table(artifact)[EVERY_SEED] == pytest.approx(np.full((20, 2), 0.5))
    assert artifact.summary["asked"]["-1"]["requests"] == 80


def test_probabilities_come_from_tokens_where_there_are_some(bench):
    likely = [{"token": "cat", "logprob": math.log(0.7)}, {"token": "dog", "logprob": math.log(0.3)}]
    tokens = {"content": [{"token": "cat", "logprob": math.log(0.7), "top_logprobs": likely}]}

    def script(request, _before):
        most = request.body.get("top_logprobs")
        if most and most > 5:
            return error(400, "top_logprobs must be at most 5", parameter="top_logprobs")
        return completion("cat", logprobs=tokens) if most else completion("cat")

    with FakeEndpoint(script) as fake:
        artifact = bench.label(bench.context(fake.url, logprobs=True))
    assert bench.table(artifact)[EVERY_SEED] == pytest.approx(np.tile([0.7, 0.3], (20, 1)))
    assert artifact.summary["asked"]["-1"]["fromTokens"] == 20
    assert "llm: the endpoint refuses 20 `top_logprobs`: 5 are asked for" in bench.told


def test_a_server_without_probabilities_is_asked_without_them(bench):
    def script(request, _before):
        return error(400, "logprobs is not supported") if "logprobs" in request.body else completion("cat")

    with FakeEndpoint(script) as fake:
        artifact = bench.label(bench.context(fake.url, logprobs=True))
    assert artifact.summary["asked"]["-1"]["fromTokens"] == 0
    assert artifact.summary["abstained"] == 0


def test_a_model_that_calls_the_bound_otherwise_is_asked_so(bench):
    def script(request, _before):
        if "max_tokens" in request.body:
            return error(400, "Use 'max_completion_tokens' instead.", "unsupported_parameter", "max_tokens")
        return completion("cat") if request.body["max_completion_tokens"] == 7 else error(400)

    with FakeEndpoint(script) as fake:
        assert bench.label(bench.context(fake.url, maxTokensOut=7)).summary["abstained"] == 0


def test_what_it_thinks_in_words_ends_in_a_line(bench):
    with FakeEndpoint(lambda _request, _before: completion("Not a cat.\nIt barks.\n**Answer: dog**")) as fake:
        artifact = bench.label(bench.context(fake.url, reasoning=True))
    assert fake.requests[0].body["max_tokens"] == 1024
    assert (bench.table(artifact)[EVERY_SEED].argmax(axis=1) == 1).all()


def test_nonsense_is_an_abstention_of_its_kind_and_no_word_of_it_is_kept(bench):
    nonsense = {
        "a cat number 0": completion("MEOW-MEOW"),
        "a cat number 1": completion(""),
        "a cat number 2": completion("It might", finish="length"),
        "a cat number 3": completion("I will not.", refusal="I will not."),
        "a cat number 4": completion("a cat or a dog"),
        "a cat number 5": error(400, "maximum context length is 8 tokens", "context_length_exceeded"),
        "a cat number 6": error(400, "filtered", "content_filter"),
        "a cat number 7": Says({"choices": []}),
        "a cat number 8": completion("cat", usage=None),
    }

    def script(request, before):
        return nonsense.get(request.text) or ANIMALS(request, before)

    with FakeEndpoint(script) as fake:
        artifact = bench.label(bench.context(fake.url))
    asked = artifact.summary["asked"]["-1"]
    assert asked["unanswered"] == {
        "empty": 2, "cutOff": 1, "refused": 2, "noClass": 1, "severalClasses": 1, "tooLong": 1
    }  # fmt: skip
    assert artifact.summary["abstained"] == 8
    assert bench.table(artifact, "abstain")[EVERY_SEED].nonzero()[0].tolist() == list(range(0, 16, 2))
    assert asked["examples"][0] == {"id": "id-0", "reason": "no class is named in an answer of 9 characters"}
    assert len(asked["examples"]) == 3
    assert asked["uncounted"] == 2
    assert "MEOW" not in json.dumps(artifact.summary)
    (warning,) = (line for line in bench.told if line.startswith("Warning"))
    assert "8 of 20 questions got no usable answer" in warning


def test_a_long_text_is_cut_and_counted(tmp_path, bench):
    bench = Bench(tmp_path, texts=["a cat " + "x" * 100, *TEXTS[1:]])
    with FakeEndpoint(ANIMALS) as fake:
        artifact = bench.label(bench.context(fake.url, maxCharacters=20))
    assert artifact.summary["truncated"] == 1
    assert "a cat " + "x" * 14 in fake.asked


def test_what_is_too_much_or_broken_for_a_while_is_asked_for_again(bench):
    def script(request, before):
        if before == 0:
            return error(429, "slow down", Retry_After="0.01")
        return Says(b"<html>bad gateway</html>", 502) if before == 1 else ANIMALS(request, before)

    with FakeEndpoint(script) as fake:
        artifact = bench.label(bench.context(fake.url, requestsPerMinute=1_000_000))
    assert set(fake.asked.values()) == {3}
    assert (artifact.summary["abstained"], artifact.summary["asked"]["-1"]["requests"]) == (0, 20)


def test_retry_after_is_waited_for(bench, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(client.Client, "_sleep", lambda _self, seconds: waits.append(seconds))

    def script(request, before):
        return (
            error(429, Retry_After="17")
            if request.text == TEXTS[0] and not before
            else ANIMALS(request, before)
        )

    with FakeEndpoint(script) as fake:
        bench.label(bench.context(fake.url))
    assert [wait for wait in waits if wait > 0] == [17.0]


def test_a_server_that_is_away_for_a_while_is_waited_for(bench, monkeypatch):
    """It dies after seven answers, and is back at the third look."""
    looks: list[int] = []

    def dice() -> float:
        looks.append(1)
        if len(looks) == 3:
            fake.begin()
        return 1.0

    def dies(request, before):
        if len(fake.requests) == 7:
            fake.end()
        return ANIMALS(request, before)

    monkeypatch.setattr(endpoint, "Client", partial(client.Client, dice=dice))
    with FakeEndpoint(dies) as fake:
        artifact = bench.label(bench.context(fake.url, concurrency=1))
    assert len(looks) == 3
    assert artifact.summary["abstained"] == 0
    assert fake.asked == dict.fromkeys(TEXTS, 1)


def test_a_server_that_is_gone_is_given_up_and_the_next_run_goes_on(bench, monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE", 0.2)

    def dies(request, before):
        if len(fake.requests) == 7:
            fake.end()
        return ANIMALS(request, before)

    with FakeEndpoint(dies) as fake:
        context = bench.context(fake.url, concurrency=1)
        with pytest.raises(EndpointUnavailable, match="has given no answer for") as gone:
            bench.label(context)
        assert gone.value.exit_code == 69
        assert "refused" in str(gone.value)
        fake.begin()
        fake.script = ANIMALS
        artifact = bench.label(context)
    assert "going on from 7 of 20 answers" in bench.told
    assert fake.asked == dict.fromkeys(TEXTS, 1)
    assert artifact.summary["asked"]["-1"]["requests"] == 20


def test_one_text_that_breaks_the_server_each_time_is_given_up_alone(bench):
    def script(request, before):
        return error(500) if request.text == TEXTS[3] else ANIMALS(request, before)

    with FakeEndpoint(script) as fake:
        artifact = bench.label(bench.context(fake.url))
    assert artifact.summary["asked"]["-1"]["unanswered"] == {"failed": 1}
    assert fake.asked[TEXTS[3]] == 6


@pytest.mark.parametrize(
    ("says", "kind", "reason", "words"),
    [
        (
            error(401, f"Incorrect API key provided: {KEY}"),
            EndpointDenied,
            "EndpointDenied",
            "does not accept",
        ),
        (error(403), EndpointDenied, "EndpointDenied", "does not accept"),
        (error(404, "no such model"), BadSpec, "NoSuchEndpointModel", "no model 'm'"),
        (error(429, code="insufficient_quota"), BadSpec, "EndpointRefused", "insufficient_quota"),
        (error(400, "temperature must be 1"), BadSpec, "EndpointRefused", "temperature must be 1"),
        (error(400, f"cannot take {TEXTS[0]}, temperature 0", "odd"), BadSpec, "EndpointRefused", "odd"),
        (Says("", 307, {"Location": "http://127.0.0.1:1/"}), BadSpec, "EndpointRefused", "307"),
        (Says(b"<html>log in</html>"), BadSpec, "EndpointRefused", "something else"),
        (Says({"error": "x"}), BadSpec, "EndpointRefused", "something else"),
    ],
)
def test_what_no_retry_can_mend_ends_it_at_once(bench, says, kind, reason, words):
    with FakeEndpoint(lambda _request, _before: says) as fake, pytest.raises(kind, match=words) as raised:
        bench.label(bench.context(fake.url, concurrency=1))
    assert raised.value.reason == reason
    assert len(fake.requests) == 1
    assert KEY not in str(raised.value)
    assert not any(text in str(raised.value) for text in TEXTS)


def test_a_refusal_ends_those_that_wait_to_ask_again(bench, monkeypatch):
    monkeypatch.setattr(patience, "FIRST", 100.0)
    monkeypatch.setattr(patience, "LONGEST", 100.0)
    busy = threading.Event()

    def script(request, _before):
        if request.text == TEXTS[0]:
            busy.set()
            return error(503)
        busy.wait(60)
        return error(404)

    with FakeEndpoint(script) as fake, pytest.raises(BadSpec) as raised:
        bench.label(bench.context(fake.url, concurrency=2))
    assert raised.value.reason == "NoSuchEndpointModel"


def test_asked_to_stop_it_keeps_what_is_under_way_and_asks_nothing_twice(bench):
    def stops(request, before):
        if len(fake.requests) == 9:
            os.kill(os.getpid(), signal.SIGTERM)
        return ANIMALS(request, before)

    with FakeEndpoint(stops) as fake:
        context = bench.context(fake.url, concurrency=4)
        with pytest.raises(Stopped):
            bench.label(context)
        first = sum(fake.asked.values())
        assert 9 <= first < 20
        fake.script = ANIMALS
        artifact = bench.label(context)
    assert f"going on from {first} of 20 answers" in bench.told
    assert fake.asked == dict.fromkeys(TEXTS, 1)
    assert artifact.summary["asked"]["-1"]["tokensIn"] == 2000


def test_an_answer_that_does_not_come_does_not_keep_it_from_ending(bench, monkeypatch):
    monkeypatch.setattr(asking, "DRAIN", 0.2)
    never = threading.Event()

    def hangs(request, before):
        if request.text == TEXTS[5]:
            os.kill(os.getpid(), signal.SIGTERM)
            never.wait(60)
        return ANIMALS(request, before)

    with FakeEndpoint(hangs) as fake:
        context = bench.context(fake.url, concurrency=2)
        with pytest.raises(Stopped):
            bench.label(context)
        assert all(thread.daemon for thread in threading.enumerate() if thread.name == "endpoint")
        never.set()
        fake.script = ANIMALS
        bench.label(context)
    assert fake.asked[TEXTS[5]] == 2
    assert {count for text, count in fake.asked.items() if text != TEXTS[5]} == {1}


def test_at_its_cost_it_stops_and_with_more_it_asks_only_the_rest(bench):
    with FakeEndpoint(ANIMALS) as fake:
        poor = bench.context(fake.url, maxCost="0.02", maxTokensOut=16, **CHEAP)
        with pytest.raises(BadSpec, match=r"maxCost: stopped at .* of 20 answers\. They cost") as raised:
            bench.label(poor)
        assert raised.value.reason == "MaxCostReached"
        first = sum(fake.asked.values())
        assert 0 < first < 20
        assert f"stopped at {first} of 20 answers. They cost {first * 0.0012:g} of 0.02" in str(raised.value)
        assert "the rest would cost about" in str(raised.value)
        rich = bench.context(fake.url, maxCost="1", maxTokensOut=16, **CHEAP)
        assert rich.key == poor.key
        artifact = bench.label(rich)
    assert fake.asked == dict.fromkeys(TEXTS, 1)
    assert artifact.summary["asked"]["-1"]["cost"] == pytest.approx(0.024)


def test_shards_divide_the_texts_and_their_figures_add_up(bench):
    with FakeEndpoint(ANIMALS) as fake:
        for index in range(2):
            artifact = bench.label(bench.context(fake.url, shard=(index, 2), **CHEAP))
    assert fake.asked == dict.fromkeys(TEXTS, 1)
    asked = whole_summary(artifact.summary)["asked"]["-1"]
    assert (asked["questions"], asked["cost"]) == (20, pytest.approx(0.024))


def test_it_can_be_calibrated_on_the_budget(bench):
    with FakeEndpoint(ANIMALS) as fake:
        artifact = bench.label(bench.context(fake.url, calibration="Temperature"))
        assert set(artifact.summary["temperature"]) == {"0", "1"}
        assert bench.table(artifact)[0][:, 0].max() > 0.99  # it was always right
        with pytest.raises(BadSpec, match="calibration"):
            bench.label(bench.context(fake.url, calibration="Temperature", shots=6))
