"""Chain of thought where texts are written: a reasoning up to its marker, the text after it, and neither where there is none."""

import sys
from pathlib import Path

import numpy as np
import pytest
from test_layout import CHAT, tokenizer_of

from w2s_api.spec.task import Task
from w2s_trainer.errors import BadSpec
from w2s_trainer.models.causal import CausalModel
from w2s_trainer.models.decoding import Decoding
from w2s_trainer.models.generating import Written
from w2s_trainer.stages.label.reasoning import concluding
from w2s_trainer.stages.label.saved_answers import collect_unsaved
from w2s_trainer.stages.label.summary import whole_summary
from w2s_trainer.stages.label.texts.reasoned import reasoning_layout, write_reasoned
from w2s_trainer.stages.label.texts.written import UNPARSED, figures_of, opinion_of

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))

from writing_kit import CONTEXT, tiny_model

TASK = Task.model_validate(
    {"type": "Generation", "instruction": "w1 w2", "generation": {"maxNewTokens": 3, "stop": ["w7"]}}
)
TEXTS = [f"w{n} w{n + 1}" for n in range(8, 20)]
MOST = 5


@pytest.fixture(scope="module")
def model() -> CausalModel:
    """Says `Answer:` often: whatever it has read, that token's logit is the largest now and then."""
    import torch

    made = tiny_model(seed=3)
    with torch.no_grad():
        made.model.lm_head.weight[made.tokenizer.convert_tokens_to_ids("Answer:")] *= 1.7
    return made


def reasoned(model: CausalModel, batch_tokens: int = 10_000, collect=collect_unsaved, **decoding) -> Written:
    how = Decoding(3, ("w7",), **decoding)
    return write_reasoned(
        collect, "x", model, TASK, TEXTS, how, MOST, batch_tokens, lambda _phase, _done, _total: None
    )


def greedy(model: CausalModel, prompt: str, most: int, stop: str) -> tuple[str, float, int, str]:
    """By the plainest of loops: the text, its log-likelihood, its tokens, and how it ended."""
    import torch

    ids = model.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    total, written = 0.0, []
    for _ in range(most):
        with torch.inference_mode():
            logs = model.model(torch.tensor([ids])).logits[0, -1].double().log_softmax(dim=-1)
        token = int(logs.argmax())
        total, ids = total + float(logs[token]), [*ids, token]
        if token == model.tokenizer.eos_token_id:
            return model.tokenizer.decode(written, skip_special_tokens=True), total, len(written) + 1, "end"
        if model.tokenizer.decode([token]) == stop:
            return model.tokenizer.decode(written, skip_special_tokens=True), total, len(written) + 1, "stop"
        written.append(token)
    return model.tokenizer.decode(written, skip_special_tokens=True), total, most, "length"


def test_the_text_is_what_follows_the_marker_and_there_is_none_without_it(model):
    found = reasoned(model)
    layout = reasoning_layout(model.tokenizer, TASK)
    kinds = set()
    for row, text in enumerate(TEXTS):
        thought, _, before, ended = greedy(model, layout.prompt(text), MOST, "Answer:")
        if ended != "stop":
            assert (found.texts[row, 0], found.endings[row, 0]) == ("", UNPARSED)
            assert found.tokens[row, 0] == before
            kinds.add(UNPARSED)
            continue
        prompt = concluding(layout, thought).prompt(text)
        assert prompt.endswith(f"Reasoning: {thought}\nAnswer:" if thought else "Reasoning:\nAnswer:")
        said, likely, after, ended = greedy(model, prompt, 3, "w7")
        assert (found.texts[row, 0], found.endings[row, 0]) == (said, ended)
        assert found.log_likelihood[row, 0] == pytest.approx(likely, abs=1e-4)
        assert found.tokens[row, 0] == before + after
        kinds.add(ended)
    assert {UNPARSED, "length"} <= kinds, "some of each, or the test shows nothing"


def test_samples_do_not_depend_on_batches_nor_on_what_was_there_before(model):
    how = {"temperature": 1.0, "samples": 3, "seed": 2}
    whole = reasoned(model, **how)
    assert whole.texts.shape == (len(TEXTS), 3)
    assert {UNPARSED} < set(whole.endings.ravel())

    def resumed(name, n, width, dtype, answer, progress):
        """Half of the answers were there already."""
        lines = np.empty((n, width), dtype=dtype)
        for left in (np.arange(0, n, 2), np.arange(1, n, 2)):
            for rows, values in answer(left):
                lines[rows] = values
        progress(n, n)
        return lines

    for other in (reasoned(model, 40, **how), reasoned(model, collect=resumed, **how)):
        assert (other.texts == whole.texts).all()
        assert (other.endings == whole.endings).all()
        assert other.log_likelihood == pytest.approx(whole.log_likelihood, abs=1e-4)


def test_who_has_no_answer_abstains_and_is_counted():
    written = Written.empty(4, 1)
    written.texts[:, 0] = ["a", "", "b c", ""]
    written.endings[:, 0] = ["end", UNPARSED, "length", "end"]
    said = opinion_of(written, truncated=0, unreadable=0, figures={}, is_reasoned=True)
    assert said.targets.tolist() == ["a", "", "", ""]
    assert said.abstain.tolist() == [False, True, True, True]
    counts = {"texts": 4, "cutOff": 1, "empty": 1, "tokens": 0, "unparsed": 1}
    assert said.figures["written"] == counts == figures_of(written, is_reasoned=True)
    shards = [{"rows": 4, "abstained": 3, "truncated": 0, "written": {"0": counts}}] * 2
    assert whole_summary({"shards": shards})["written"]["0"]["unparsed"] == 2


def test_what_is_longer_than_the_model_reads_is_refused_before_anything_is_written(model):
    asked: list[str] = []

    def collect(name, *_):
        asked.append(name)

    with pytest.raises(BadSpec, match=f"the model reads {CONTEXT}") as refused:
        write_reasoned(
            collect, "x", model, TASK, TEXTS, Decoding(3), 80, 99, lambda _phase, _done, _total: None
        )
    assert "`reasoningTokens`" in refused.value.hint
    assert asked == []


def test_the_model_is_told_how_to_end_in_a_chat_and_in_plain_lines():
    how = 'Think step by step. Then write "Answer:" and what is asked for, and nothing after it.'
    chat = reasoning_layout(tokenizer_of(CHAT), TASK)
    assert chat.prompt("a text") == (
        f"<|start|>user\nw1 w2\n\n{how}\n\nText:\na text<|end|>\n<|start|>assistant\n"
    )
    plain = reasoning_layout(tokenizer_of(), TASK)
    after = concluding(plain, "It has\ntwo lines.\n\nText: another")
    assert after.prompt("a text") == f"w1 w2\n\n{how}\n\nText: a text\nReasoning: It has\ntwo lines.\nAnswer:"
