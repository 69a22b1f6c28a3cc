"""What answers mean: the class that they name, and how likely each is."""

import math

import numpy as np
import pytest

from w2s_trainer.stages.label.remote.reading import Reading, combined, read
from w2s_trainer.stages.label.remote.reply import Choice, Token, reply_of

CLASSES = ["spam", "not spam", "Unclear case"]


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ("spam", "spam"),
        (" Spam.\n", "spam"),
        ("**not spam**", "not spam"),
        ('"NOT SPAM"', "not spam"),
        ("Class: not spam", "not spam"),
        ("Answer = spam", "spam"),
        ("unclear case - it could be either", "Unclear case"),
        ("spam, because it wants money", "spam"),
        ("The text belongs to the class not spam", "not spam"),
        ("I think that this is spam", "spam"),
        ("<think>It may be not spam, but</think>\nspam", "spam"),
        ("Ｓｐａｍ", "spam"),
    ],
)
def test_one_class_is_named(answer, named):
    assert read(Choice(answer), CLASSES) == Reading("answered", CLASSES.index(named))


def test_names_that_differ_only_in_marks_are_told_apart_where_the_answer_does():
    assert read(Choice("none."), ["none", "none."]).label == 1
    assert read(Choice("NONE"), ["none", "none."]).kind == "severalClasses"


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        (Choice(""), "empty"),
        (Choice(" \n"), "empty"),
        (Choice("<think>so long</think>"), "empty"),
        (Choice("", "length"), "cutOff"),
        (Choice("Let me think about", "length"), "cutOff"),
        (Choice("I cannot help with that.", refused=True), "refused"),
        (Choice("ham"), "noClass"),
        (Choice("spammer"), "noClass"),
        (Choice("either spam or unclear case"), "severalClasses"),
        (Choice("It is not the spam that you look for"), "noClass"),
    ],
)
def test_what_names_no_class_is_an_abstention_of_its_kind(choice, kind):
    assert read(choice, CLASSES) == Reading(kind)


@pytest.mark.parametrize(
    ("answer", "kind", "label"),
    [
        ("It asks for money, so spam or not spam.\nAnswer: not spam", "answered", 1),
        ("Answer: spam\nOn reflection:\n**Answer: unclear case**", "answered", 2),
        ("It is spam", "noClass", -1),
        ("Answer: both spam and unclear case", "severalClasses", -1),
    ],
)
def test_of_an_answer_in_words_the_last_line_counts(answer, kind, label):
    assert read(Choice(answer), CLASSES, reasoning=True) == Reading(kind, label)


def token(text: str, **likeliest: float) -> Token:
    """Probabilities by token; the first is the one that was drawn."""
    logs = {name.replace("_", " "): math.log(share) for name, share in likeliest.items()}
    return Token(text, logs[text], logs)


def probabilities(answer: str, *tokens: Token, names=("free", "restricted"), reasoning=False):
    return read(Choice(answer, tokens=tokens), names, reasoning=reasoning).probabilities


def test_probabilities_are_those_of_the_first_token_that_tells_the_classes_apart():
    found = probabilities("free", token("free", free=0.6, res=0.3, the=0.1))
    assert found == pytest.approx([2 / 3, 1 / 3])


def test_what_begins_alike_is_told_apart_where_it_differs():
    """P(copyleft) = .9 · .8, P(copyright) = .9 · .2; the rest is of neither."""
    tokens = token("copy", copy=0.9, the=0.1), token("left", left=0.8, right=0.2)
    found = probabilities("copyleft", *tokens, names=("copyleft", "copyright"))
    assert found == pytest.approx([0.8, 0.2])


def test_a_class_that_is_missing_from_the_list_is_not_impossible():
    found = probabilities("free", token("free", free=0.9, The=0.04))
    assert found == pytest.approx(np.array([0.9, 0.04]) / 0.94)
    found = probabilities("free", token("free", free=0.99, The=0.009))
    assert found == pytest.approx(np.array([0.99, 0.001]) / 0.991)


def test_thoughts_before_the_answer_do_not_count():
    thought = Token("restricted?\n", -0.1, {"restricted?\n": -0.1})
    lead = Token("Answer:", -0.1, {"Answer:": -0.1})
    last = Token(" free", math.log(0.7), {" free": math.log(0.7), " restricted": math.log(0.3)})
    found = probabilities("restricted?\nAnswer: free", thought, lead, last, reasoning=True)
    assert found == pytest.approx([0.7, 0.3])


def test_tokens_that_are_not_those_of_the_answer_tell_nothing():
    assert probabilities("free", token("banana", banana=0.9)) is None
    assert probabilities("free") is None


def test_one_vote_is_no_certainty_and_of_several_the_share_counts():
    kind, found, from_tokens = combined([Reading("answered", 1)], 2)
    assert (kind, found.tolist(), from_tokens) == ("answered", [0.25 / 1.5, 1.25 / 1.5], False)
    said = [Reading("answered", label) for label in (0, 1, 1)] + [Reading("noClass"), Reading("answered", 1)]
    assert combined(said, 2)[1].tolist() == [0.25, 0.75]
    assert combined([Reading("refused"), Reading("empty")], 2)[0] == "refused"


def test_probabilities_of_tokens_are_averaged_and_never_mixed_with_votes():
    sure, unsure = (Reading("answered", 0, np.array(p)) for p in ([0.9, 0.1], [0.5, 0.5]))
    assert combined([sure, unsure], 2)[1].tolist() == pytest.approx([0.7, 0.3])
    assert combined([sure, Reading("answered", 1)], 2)[1].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("body", [None, [], {}, {"choices": "x"}, {"choices": [1]}, "<html>"])
def test_what_is_no_chat_completion_is_refused(body):
    with pytest.raises(ValueError, match="choices"):
        reply_of(body)


def test_whatever_a_server_leaves_out_is_not_missed():
    reply = reply_of(
        {"choices": [{"message": {"content": None}}, {}, {"logprobs": {"content": [{"token": "a"}]}}]}
    )
    assert [(c.text, c.finish, c.tokens) for c in reply.choices] == [("", "stop", ())] * 3
    assert (reply.tokens_in, reply.tokens_out) == (None, None)
