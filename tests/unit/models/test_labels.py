"""A classifier decides for one of K classes, or it is refused."""

import shutil

import pytest
from folder_kit import edit_json, edit_weights, save_tokenizer

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.published import load_classifier

NAMES = {"0": "first", "1": "second"}


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        ({"id2label": NAMES}, ["first", "second"]),
        ({"id2label": {"1": "second", "0": "first"}}, ["first", "second"]),
        ({"id2label": {"0": 0, "1": 1}}, ["0", "1"]),
        ({"id2label": {"0": -1, "1": 1}}, ["-1", "1"]),
        ({"id2label": NAMES, "problem_type": "single_label_classification"}, ["first", "second"]),
        ({"id2label": NAMES, "num_labels": 2}, ["first", "second"]),
        ({"id2label": NAMES, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}, ["first", "second"]),
        ({"id2label": None, "label2id": None}, ["LABEL_0", "LABEL_1"]),
    ],
)
def test_the_labels_of_a_classifier(saved, tmp_path, written, labels):
    directory = shutil.copytree(saved("bert-classifier"), tmp_path / "model")
    edit_json(directory / "config.json", **written)
    assert load_classifier(directory).labels == labels


@pytest.mark.parametrize(
    ("written", "reason", "word"),
    [
        ({"problem_type": "regression"}, "NotAClassifier", "numbers"),
        ({"problem_type": "multi_label_classification"}, "NotAClassifier", "each label by itself"),
        ({"problem_type": "ordinal"}, "NotAClassifier", "ordinal"),
        *(
            ({"architectures": [f"ModernBertFor{what}"]}, "NotAClassifier", what)
            for what in ("TokenClassification", "MultipleChoice", "QuestionAnswering")
        ),
        ({"id2label": {"0": "score"}}, "NotAClassifier", "one output"),
        ({"id2label": None, "label2id": None, "num_labels": 1}, "NotAClassifier", "one output"),
        ({"id2label": {"0": "same", "1": "same"}}, "BadModelLabels", "'same'"),
        ({"id2label": {"0": 1, "1": "1"}}, "BadModelLabels", "'1'"),
        ({"id2label": {"0": "\u00e9", "1": "e\u0301"}}, "BadModelLabels", "two outputs"),
        ({"id2label": {"0": "a", "2": "b"}}, "BadModelLabels", "[0, 2]"),
        ({"id2label": {"1": "a", "2": "b"}}, "BadModelLabels", "[1, 2]"),
        ({"id2label": {"a": "a", "b": "b"}}, "BadModelLabels", "'a'"),
        ({"id2label": ["a", "b"]}, "BadModelLabels", "no object"),
        ({"id2label": {"0": "a", "1": []}}, "BadModelLabels", "[]"),
        ({"id2label": {"0": "a", "1": ""}}, "BadModelLabels", "''"),
        ({"id2label": {"0": "a", "1": True}}, "BadModelLabels", "True"),
        ({"id2label": NAMES, "num_labels": 3}, "BadModelLabels", "num_labels"),
        ({"id2label": NAMES, "label2id": {"first": 1, "second": 0}}, "BadModelLabels", "label2id"),
        ({"id2label": NAMES | {"2": "third"}}, "WeightsDoNotFit", "(2, 16)"),
        ({"id2label": None, "label2id": None, "num_labels": 5}, "WeightsDoNotFit", "(5, 16)"),
    ],
)
def test_what_is_no_classifier_is_refused(saved, tmp_path, written, reason, word):
    directory = shutil.copytree(saved("bert-classifier"), tmp_path / "model")
    edit_json(directory / "config.json", **written)
    with pytest.raises(BadSpec) as refused:
        load_classifier(directory, "the-model")
    assert (refused.value.reason, word in str(refused.value)) == (reason, True), str(refused.value)
    assert "the-model" in str(refused.value)


def test_an_encoder_decoder_is_a_classifier_where_it_was_trained_as_one(tmp_path):
    """It is read at the token that ends a text, also where the tokenizer adds none or the text has some."""
    import numpy as np
    import transformers as t

    config = t.BartConfig(
        vocab_size=44,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        pad_token_id=0,
        eos_token_id=3,
        bos_token_id=2,
        decoder_start_token_id=3,
        max_position_embeddings=64,
    )
    t.BartForSequenceClassification(config).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    classifier = load_classifier(tmp_path)
    logits, _ = classifier.logits(["w1", "w1 [SEP] w2", "", "w3 w4 w5 w6"], 16, 4096)
    assert np.isfinite(logits).all()


def test_a_classifier_of_tokens_is_no_classifier_of_texts(tmp_path):
    import transformers as t

    config = t.LlamaConfig(
        vocab_size=44, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    t.LlamaForTokenClassification(config).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    with pytest.raises(BadSpec, match="LlamaForTokenClassification"):
        load_classifier(tmp_path)
    edit_json(tmp_path / "config.json", architectures=None)
    with pytest.raises(BadSpec, match=r"left over .* score\.bias"):
        load_classifier(tmp_path)


def test_a_published_model_lacks_nothing(saved, tmp_path):
    """Its mean may be missing only where the code beside it is from before there was one."""
    import numpy as np

    from w2s_trainer.models.head import Head
    from w2s_trainer.models.published import publish_model

    head = Head(np.ones((2, 16)), np.zeros(2), np.ones(16))
    publish_model(saved("bert"), head, ["a", "b"], 32, tmp_path / "model")
    assert load_classifier(tmp_path / "model").labels == ["a", "b"]
    with pytest.raises(BadSpec, match="a classifier that w2s has published"):
        load_encoder(tmp_path / "model")
    edit_weights(tmp_path / "model", lambda tensors: tensors.pop("mean"))
    with pytest.raises(BadSpec, match=r"weights are missing.* mean"):
        load_classifier(tmp_path / "model")
    (tmp_path / "model/modeling_w2s.py").write_text("# of a release without a mean")
    assert not load_classifier(tmp_path / "model").model.mean.any()
    edit_weights(tmp_path / "model", lambda tensors: tensors.pop("classifier.bias"))
    with pytest.raises(BadSpec, match=r"weights are missing.* classifier\.bias"):
        load_classifier(tmp_path / "model")
