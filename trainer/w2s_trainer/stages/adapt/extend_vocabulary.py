"""Step `ExtendVocabulary`: strings of the domain become tokens, with the mean of their pieces as embedding."""

import shutil
import time
from collections.abc import Iterable, Sequence
from typing import Any

from w2s_api.methods.adaptation_steps import ExtendVocabulary
from w2s_trainer.contract.context import StageContext
from w2s_trainer.errors import BadData, BadSpec
from w2s_trainer.models.causal import is_causal
from w2s_trainer.models.folder import TOKENIZER
from w2s_trainer.models.loading import BODY, CAUSAL, MASKED, load_config, load_model, load_tokenizer
from w2s_trainer.models.tokenizer_file import check_extensible, extended, find_tokens, first_number
from w2s_trainer.models.vocabulary import NewToken
from w2s_trainer.stages.adapt.methods import Before
from w2s_trainer.stages.adapt.texts import check_corpora, pretraining_texts, texts_of
from w2s_trainer.stages.adapt.written import small_files
from w2s_trainer.stages.columns import taken
from w2s_trainer.tuning.language_model import fills_in_tokens

WHOLE_VOCABULARY = 50_000_000_000
"""Tokens of text that a pretrained model needs to work with another vocabulary (Dagan et al. 2024, arXiv 2402.01035)."""
_CHUNK = 256
_SHOWN = 10
_OTHER_FORMS = ("vocab.txt", "vocab.json", "merges.txt", "tokenizer.model", "spiece.model")
"""Files of a vocabulary that would be those of the tokenizer before."""


def adapt(context: StageContext, settings: ExtendVocabulary) -> dict[str, Any]:
    """Extends tokenizer and embeddings of the model before.

    Raises:
        BadData: the texts are too few, or no string of them is frequent enough.
        BadSpec: the tokenizer is of a kind that gets no more tokens here.
    """
    began = time.monotonic()
    directory, name = context.model.directory, context.model.name
    tokenizer = load_tokenizer(directory, name)
    check_extensible(tokenizer, name)
    read = pretraining_texts(context, settings)
    learnt = taken(read.texts, read.learnt)
    tokens = find_tokens(tokenizer, learnt, settings.tokens, settings.min_count)
    if not tokens:
        raise BadData(
            "NoFrequentStrings",
            f"No string that is several tokens occurs {settings.min_count:,} times in {len(learnt):,} texts.",
            "Leave the step out, add texts (`corpora`), or set `minCount` lower.",
        )
    size = len(tokenizer)
    corpus, wanted = sum(_lengths(tokenizer, learnt)), needed(len(tokens), size)
    if corpus < wanted and not settings.allow_small_corpus:
        raise too_small(corpus, wanted, len(tokens), size)
    for path in small_files(directory):
        if path.name not in _OTHER_FORMS:
            shutil.copyfile(path, context.output / path.name)
    (context.output / TOKENIZER).write_text(extended(tokenizer, tokens), encoding="utf-8")
    larger = load_tokenizer(context.output, name)
    _check_numbers(tokenizer, larger, tokens, name)
    parameters = _write_model(context, tokenizer, tokens)
    of_pool = read.held_out < read.counts.get("pool", 0)
    sources = {
        "pool": taken(read.texts, read.held_out[of_pool]),
        "corpora": taken(read.texts, read.held_out[~of_pool]),
        "general": list(texts_of(context, settings.general)),
    }
    return {
        **read.counts,
        "added": len(tokens),
        "vocabularyBefore": size,
        "vocabularyAfter": len(larger),
        "corpusTokens": corpus,
        "neededTokens": wanted,
        "examples": [larger.decode([first_number(tokenizer) + i]) for i in range(min(_SHOWN, len(tokens)))],
        "tokensOfText": [
            {"source": source, **_counted(tokenizer, larger, texts)}
            for source, texts in sources.items()
            if len(texts)
        ],
        **parameters,
        "seconds": round(time.monotonic() - began, 1),
    }


def check(before: Before, settings: ExtendVocabulary) -> None:
    """The texts are read at their first rows; of a model on this machine the kind of its tokenizer is looked at."""
    corpora = [*settings.corpora, *settings.general]
    check_corpora(before.spec.data, corpora, before.objects, before.cache)
    directory = before.directory(before.model)
    if directory is not None:
        assert before.model is not None
        check_extensible(load_tokenizer(directory, before.model), before.model)


def needed(added: int, vocabulary: int) -> int:
    """Tokens of text that are asked for: of those of a whole vocabulary the share that is new. Pure.

    That they are proportional is an assumption of ours.
    """
    return WHOLE_VOCABULARY * added // (vocabulary + added)


def too_small(corpus: int, wanted: int, added: int, vocabulary: int) -> BadData:
    """The error of texts that are too few."""
    return BadData(
        "CorpusTooSmall",
        f"The texts have {corpus:,} tokens, and {added:,} new ones beside {vocabulary:,} ask for {wanted:,}: a model needs"
        " about 50 billion to work with another vocabulary (Dagan et al. 2024), for a part of it the same part.",
        "Leave the step out, set `tokens` lower, add texts (`corpora`), or write `allowSmallCorpus: true` and look at"
        " `unadapted`.",
    )


def _check_numbers(before: Any, after: Any, tokens: Sequence[NewToken], name: str) -> None:
    """What transformers makes of the file: tokens that there were keep their numbers, and the new ones follow."""
    old, new = before.get_vocab(), after.get_vocab()
    wanted = old | {token.token: number for number, token in enumerate(tokens, first_number(before))}
    if new != wanted:
        raise BadSpec(
            "CannotBeExtended",
            f"{name}: its tokenizer gives other numbers to its tokens once {len(tokens):,} are added.",
            "Leave the step out, or name another model.",
        )


def _write_model(context: StageContext, tokenizer: Any, tokens: Sequence[NewToken]) -> dict[str, int]:
    import torch

    directory, name = context.model.directory, context.model.name
    role = CAUSAL if is_causal(directory) else MASKED if fills_in_tokens(directory) else BODY
    model = load_model(directory, name, load_config(directory, name), role, torch.float32)
    before = _size(model)
    first, vocabulary = first_number(tokenizer), tokenizer.get_vocab()
    rows = max(first + len(tokens), model.get_input_embeddings().weight.shape[0])
    model.resize_token_embeddings(rows, mean_resizing=False)
    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    tables = {id(table): table for table in (inputs.weight, *_tables_of(outputs))}
    with torch.no_grad():
        for number, token in enumerate(tokens, first):
            pieces = [vocabulary[piece] for piece in token.pieces]
            for table in tables.values():
                table[number] = table[pieces].mean(dim=0)
    model.save_pretrained(context.output)
    return {"parametersBefore": before, "parametersAfter": _size(model)}


def _tables_of(outputs: Any) -> Iterable[Any]:
    """What of an output layer has a row for each token: its weights, and its bias if it has one."""
    if outputs is None:
        return ()
    return (outputs.weight, *(() if getattr(outputs, "bias", None) is None else (outputs.bias,)))


def _size(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _ids(tokenizer: Any, texts: Sequence[str]) -> Iterable[list[int]]:
    for start in range(0, len(texts), _CHUNK):
        for encoding in tokenizer.backend_tokenizer.encode_batch(
            list(texts[start : start + _CHUNK]), add_special_tokens=False
        ):
            yield encoding.ids


def _lengths(tokenizer: Any, texts: Sequence[str]) -> Iterable[int]:
    return (len(ids) for ids in _ids(tokenizer, texts))


def _counted(before: Any, after: Any, texts: Sequence[str]) -> dict[str, Any]:
    """Tokens of a text with both tokenizers, and the share of the texts that both read alike."""
    old, new, same = 0, 0, 0
    for one, other in zip(_ids(before, texts), _ids(after, texts), strict=True):
        old, new, same = old + len(one), new + len(other), same + (one == other)
    count = len(texts)
    return {
        "texts": count,
        "before": round(old / count, 3),
        "after": round(new / count, 3),
        "unchanged": round(same / count, 6),
    }
