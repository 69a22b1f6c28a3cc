"""What is wrong with a model's folder, in every role that a model can have: one error of the spec that names it."""

import errno
import json
import shutil

import pytest
import torch
from folder_kit import (
    LFS,
    ROLES,
    SIZE,
    edit_json,
    edit_weights,
    save_tokenizer,
    shard,
)

from w2s_trainer.errors import BadSpec
from w2s_trainer.models.encoder import load_encoder
from w2s_trainer.models.loading import load_config, quiet
from w2s_trainer.models.published import load_classifier
from w2s_trainer.models.uri import check_model_files
from w2s_trainer.store.objects import ObjectInfo


@pytest.fixture(params=ROLES)
def role(request, saved, tmp_path):
    """A role's own copy of a good model, and what loads it."""
    kind, load = ROLES[request.param]
    return shutil.copytree(saved(kind), tmp_path / "model"), load


def refusal(load, directory) -> BadSpec:
    with pytest.raises(BadSpec) as refused:
        load(directory)
    said = str(refused.value)
    assert "the-model" in said
    assert "\n" not in said
    assert refused.value.hint
    return refused.value


def test_a_good_model_is_loaded_in_every_role(role):
    directory, load = role
    whole = load(directory)
    shard(directory)
    again = load(directory)
    first, second = (found[0] if isinstance(found, tuple) else found for found in (whole, again))
    assert first.tolist() == second.tolist()


def _body(tensors) -> str:
    return next(name for name in sorted(tensors) if "layer" in name and tensors[name].ndim == 2)


def lack(tensors):
    del tensors[_body(tensors)]


def leave(tensors):
    name = _body(tensors)
    tensors[name.replace(".0.", ".7.")] = tensors[name].clone()


def reshape(tensors):
    tensors[_body(tensors)] = torch.zeros(3, 5)


def not_a_number(tensors):
    tensors[_body(tensors)][0, 0] = float("nan")


def infinite(tensors):
    tensors[_body(tensors)][-1, -1] = float("-inf")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lack, "MissingWeights"),
        (leave, "WeightsDoNotFit"),
        (reshape, "WeightsDoNotFit"),
        (not_a_number, "NonFiniteWeights"),
        (infinite, "NonFiniteWeights"),
    ],
)
def test_weights_that_are_not_those_of_the_model_are_named(role, change, reason):
    directory, load = role
    names = []
    edit_weights(directory, lambda tensors: names.append(_body(tensors)))
    edit_weights(directory, change)
    refused = refusal(load, directory)
    assert refused.reason == reason
    assert names[0].partition(".0.")[2] in str(refused)


def unlink(name):
    return lambda directory: (directory / name).unlink()


def write(name, data):
    return lambda directory: (directory / name).write_bytes(data)


def cut(name, keep):
    return lambda directory: (directory / name).write_bytes((directory / name).read_bytes()[:keep])


def pickle_shards(directory):
    (directory / "model.safetensors").unlink()
    (directory / "pytorch_model-00001-of-00002.bin").write_bytes(b"x")
    (directory / "pytorch_model.bin.index.json").write_text("{}")


def leave_a_training_behind(directory):
    (directory / "model.safetensors").unlink()
    for name in ("optimizer.pt", "training_args.bin", "rng_state.pth"):
        (directory / name).write_bytes(b"x")


def lose_a_shard(directory):
    shard(directory)[1].unlink()


def cut_a_shard(directory):
    path = shard(directory)[1]
    path.write_bytes(path.read_bytes()[:-7])


def point_a_shard(directory):
    shard(directory)[0].write_bytes(LFS)


def spoil_the_index(directory):
    shard(directory)
    (directory / "model.safetensors.index.json").write_text("[")


def pickle_weights(directory):
    (directory / "model.safetensors").unlink()
    torch.save({}, directory / "pytorch_model.bin")


def config(**values):
    return lambda directory: edit_json(directory / "config.json", **values)


def integers(directory):
    edit_weights(directory, lambda t: t.update({_body(t): torch.zeros(t[_body(t)].shape, dtype=torch.int8)}))


def tokenizer(**values):
    return lambda directory: edit_json(directory / "tokenizer_config.json", **values)


def without_tokenizer(directory):
    for path in directory.glob("tokenizer*"):
        path.unlink()


def without_merges(directory):
    unlink("tokenizer.json")(directory)
    (directory / "vocab.json").write_text('{"w": 0}')


def only_special_tokens(directory):
    save_tokenizer(directory, words=[])


def unknown_word(directory):
    """A vocabulary without the token of unknown words: the tokenizers library fails at the first of them."""
    file = directory / "tokenizer.json"
    written = json.loads(file.read_text())
    del written["model"]["vocab"]["[UNK]"]
    written["added_tokens"] = [one for one in written["added_tokens"] if one["content"] != "[UNK]"]
    written["normalizer"] = {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    }
    file.write_text(json.dumps(written))
    edit_json(directory / "tokenizer_config.json", unk_token=None)


def wrapped(directory):
    """As DataParallel and torch.compile leave the names."""
    edit_weights(
        directory, lambda tensors: [tensors.update({f"module.{k}": tensors.pop(k)}) for k in [*tensors]]
    )


def more_words(directory):
    save_tokenizer(directory, words=[f"w{i}" for i in range(SIZE + 5)])


BROKEN = {
    "weights: none": (unlink("model.safetensors"), "MissingWeights", "model.safetensors"),
    "weights: empty": (write("model.safetensors", b""), "CorruptWeights", "0 bytes"),
    "weights: no safetensors": (
        write("model.safetensors", b"x" * 5000),
        "CorruptWeights",
        "model.safetensors",
    ),
    "weights: cut in the header": (cut("model.safetensors", 20), "CorruptWeights", "20 bytes"),
    "weights: cut at the end": (cut("model.safetensors", -1), "CorruptWeights", "model.safetensors"),
    "weights: a pointer": (write("model.safetensors", LFS), "GitLFSPointer", "model.safetensors"),
    "weights: a pickle": (pickle_weights, "PickledWeights", "pytorch_model.bin"),
    "weights: pickles": (pickle_shards, "PickledWeights", "pytorch_model-00001-of-00002.bin"),
    "weights: a training": (leave_a_training_behind, "MissingWeights", "optimizer.pt"),
    "weights: integers": (integers, "QuantizedModel", "weight"),
    "weights: a shard is missing": (lose_a_shard, "MissingWeights", "model-00002-of-00002"),
    "weights: a shard is cut": (cut_a_shard, "CorruptWeights", "model-00002-of-00002"),
    "weights: a shard is a pointer": (point_a_shard, "GitLFSPointer", "model-00001-of-00002"),
    "weights: no index": (spoil_the_index, "CorruptWeights", "index.json"),
    "config: none": (unlink("config.json"), "BadModelConfig", "config.json"),
    "config: no JSON": (write("config.json", b"{"), "BadModelConfig", "config.json"),
    "config: a list": (write("config.json", b"[]"), "BadModelConfig", "config.json"),
    "config: not UTF-8": (write("config.json", b'{"a": "\xff"}'), "BadModelConfig", "config.json"),
    "config: a pointer": (write("config.json", LFS), "GitLFSPointer", "config.json"),
    "config: no heads": (config(num_attention_heads=0), "BadModelConfig", "config.json"),
    "config: other weights": (
        config(transformers_weights="x.safetensors"),
        "BadModelConfig",
        "x.safetensors",
    ),
    "weights: wrapped": (wrapped, "MissingWeights", "module."),
    "config: no kind": (config(model_type=None), "BadModelConfig", "model_type"),
    "config: a text for a number": (config(hidden_size="x"), "BadModelConfig", "hidden_size"),
    "config: an unknown activation": (config(hidden_act="nope"), "BadModelConfig", "nope"),
    "config: less than nothing": (config(vocab_size=-3), "BadModelConfig", "negative"),
    "config: unknown kind": (config(model_type="my_bert"), "UnknownArchitecture", "my_bert"),
    "config: code of its own": (
        config(model_type="my_bert", auto_map={"AutoModel": "mine.M"}),
        "ModelNeedsItsCode",
        "mine.py",
    ),
    "config: class of its own": (
        config(architectures=["MyBert"], auto_map={"AutoModel": "mine.M"}),
        "ModelNeedsItsCode",
        "MyBert",
    ),
    "config: gptq": (config(quantization_config={"quant_method": "gptq"}), "QuantizedModel", "gptq"),
    "config: awq": (config(quantization_config={"quant_method": "awq", "bits": 4}), "QuantizedModel", "awq"),
    "config: bitsandbytes": (config(quantization_config={"load_in_4bit": True}), "QuantizedModel", "4bit"),
    "config: wider": (config(vocab_size=SIZE + 1), "WeightsDoNotFit", f"({SIZE + 1}, 16)"),
    "config: deeper": (config(num_hidden_layers=3), "MissingWeights", ".2."),
    "config: less deep": (config(num_hidden_layers=1), "WeightsDoNotFit", ".1."),
    "tokenizer: none": (without_tokenizer, "NoTokenizer", "tokenizer"),
    "tokenizer: its settings only": (unlink("tokenizer.json"), "NoTokenizer", "tokenizer.json"),
    "tokenizer: without its merges": (without_merges, "NoTokenizer", "tokenizer.json"),
    "tokenizer: empty": (only_special_tokens, "NoTokenizer", "empty"),
    "tokenizer: no JSON": (write("tokenizer.json", b"{"), "BadTokenizer", "tokenizer.json"),
    "tokenizer: another JSON": (write("tokenizer.json", b"{}"), "BadTokenizer", "tokenizer"),
    "tokenizer: a pointer": (write("tokenizer.json", LFS), "GitLFSPointer", "tokenizer.json"),
    "tokenizer: settings no JSON": (write("tokenizer_config.json", b"{"), "BadTokenizer", "tokenizer_config"),
    "tokenizer: no room": (tokenizer(model_max_length=1), "BadTokenizer", "model_max_length"),
    "tokenizer: room as a text": (tokenizer(model_max_length="512"), "BadTokenizer", "model_max_length"),
    "tokenizer: room is no number": (
        tokenizer(model_max_length=float("nan")),
        "BadTokenizer",
        "model_max_length",
    ),
    "tokenizer: no unknown word": (unknown_word, "BadTokenizer", "[UNK]"),
    "tokenizer: of another model": (more_words, "VocabularyTooLarge", "embeddings"),
    "tokenizer: code of its own": (
        tokenizer(tokenizer_class="Mine", auto_map={"AutoTokenizer": ["tok.Mine", None]}),
        "ModelNeedsItsCode",
        "tok.py",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_wrong_with_a_folder_is_said_as_such(role, what):
    directory, load = role
    spoil, reason, word = BROKEN[what]
    spoil(directory)
    refused = refusal(load, directory)
    assert (refused.reason, word in str(refused)) == (reason, True), str(refused)


@pytest.mark.parametrize("name", ["attn_implementation", "_attn_implementation", "experts_implementation"])
@pytest.mark.parametrize("value", ["flash_attention_2", "org/kernel"])
def test_how_a_model_was_once_computed_plays_no_part(role, name, value):
    """It may be a package that is not here, or code on the hub."""
    directory, load = role
    edit_json(directory / "config.json", **{name: value})
    load(directory)


def test_a_part_of_a_head_is_not_the_head(saved, tmp_path):
    directory = shutil.copytree(saved("bert-classifier"), tmp_path / "model")
    edit_weights(directory, lambda tensors: tensors.pop("classifier.bias"))
    with pytest.raises(BadSpec, match=r"random numbers: classifier\.bias\. Name the whole model"):
        load_classifier(directory, "the-model")


@pytest.mark.parametrize(
    "what",
    [
        what
        for what, (_, reason, _) in BROKEN.items()
        if reason in ("CorruptWeights", "GitLFSPointer", "PickledWeights", "QuantizedModel", "NoTokenizer")
        and what not in ("tokenizer: empty",)
    ],
)
def test_files_of_this_machine_are_looked_at_before_anything_is_loaded(saved, tmp_path, what):
    directory = shutil.copytree(saved("bert"), tmp_path / "model")
    check_model_files(f"file://{directory}", None)
    BROKEN[what][0](directory)
    with pytest.raises(BadSpec) as refused:
        check_model_files(f"file://{directory}", None)
    assert refused.value.reason == BROKEN[what][1]


GOOD = ["config.json", "model.safetensors", "tokenizer.json"]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (GOOD, None),
        (["m.gguf"], None),
        (["adapter_config.json", "adapter_model.safetensors"], None),
        (GOOD[:2], "NoTokenizer"),
        (["config.json", "pytorch_model.bin", "tokenizer.json"], "PickledWeights"),
        (["config.json", "tokenizer.json"], "MissingWeights"),
        (["config.json", "model.fp16.safetensors", "tokenizer.json"], "MissingWeights"),
        ([f"checkpoint-3/{name}" for name in GOOD], "MissingWeights"),
        ([""], "MissingWeights"),
    ],
)
@pytest.mark.parametrize("marked", [True, False])
def test_names_of_objects_are_looked_at_before_anything_is_loaded(names, reason, marked):
    class Bucket:
        def list(self, prefix):
            return [ObjectInfo(f"{prefix}{name}", 1, "e") for name in [*names, *[""] * marked]]

    if reason is None:
        check_model_files("s3://b/m", Bucket())
        return
    with pytest.raises(BadSpec) as refused:
        check_model_files("s3://b/m", Bucket())
    assert refused.value.reason == reason


@pytest.mark.parametrize("kind", ["bert", "bert-masked", "llama", "gpt2"])
def test_a_pretrained_model_is_no_classifier(saved, kind):
    refused = refusal(lambda directory: load_classifier(directory, "the-model"), saved(kind))
    assert refused.reason == "MissingWeights"
    assert "head is not there" in str(refused)


@pytest.mark.parametrize("kind", ["bert-masked", "bert-classifier"])
def test_the_head_of_a_pretrained_model_may_be_left(saved, kind):
    matrix, _ = load_encoder(saved(kind)).features(["w1"], 64, 4096)
    assert matrix.shape == (1, 16)


def test_the_pooler_of_a_classifier_may_be_left(saved, tmp_path):
    """Many a classifier on the hub was saved with one that its class does not have."""
    import transformers as t

    config = t.RobertaConfig(
        vocab_size=SIZE,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=66,
        pad_token_id=0,
    )
    t.RobertaForSequenceClassification(config).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    edit_weights(
        tmp_path, lambda tensors: tensors.update({"roberta.pooler.dense.weight": torch.ones(16, 16)})
    )
    load_classifier(tmp_path)
    edit_weights(tmp_path, lambda tensors: tensors.update({"classifier.extra.weight": torch.ones(2, 2)}))
    assert refusal(lambda place: load_classifier(place, "the-model"), tmp_path).reason == "WeightsDoNotFit"


@pytest.mark.parametrize("kind", ["t5", "bart"])
@pytest.mark.parametrize("role", ["encoder", "student of an encoder"])
def test_an_encoder_decoder_is_refused(saved, kind, role):
    refused = refusal(ROLES[role][1], saved(kind))
    assert (refused.reason, kind in str(refused)) == ("EncoderDecoder", True)


def test_a_model_of_pictures_and_texts_is_refused(tmp_path):
    import transformers as t

    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = t.CLIPTextConfig(vocab_size=SIZE, pad_token_id=0, bos_token_id=2, eos_token_id=3, **size)
    config = t.CLIPConfig(
        text_config=text, vision_config=t.CLIPVisionConfig(image_size=32, patch_size=16, **size)
    )
    t.CLIPModel(config).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    refused = refusal(lambda place: load_encoder(place, "the-model"), tmp_path)
    assert (refused.reason, "clip" in str(refused)) == ("UnknownArchitecture", True)


def test_a_tokenizer_without_a_fast_form_is_refused(saved, tmp_path):
    directory = shutil.copytree(saved("bert"), tmp_path / "model")
    without_tokenizer(directory)
    (directory / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CanineTokenizer"}))
    assert refusal(lambda place: load_encoder(place, "the-model"), directory).reason == "NoFastTokenizer"


@pytest.mark.parametrize("role", ROLES)
def test_an_adapter_beside_a_whole_model_plays_no_part(saved, tmp_path, role):
    from peft import LoraConfig, get_peft_model

    kind, load = ROLES[role]
    directory = shutil.copytree(saved(kind), tmp_path / "model")
    alone = load(directory)
    with quiet():
        import transformers

        auto = transformers.AutoModel if kind != "llama" else transformers.AutoModelForCausalLM
        model = auto.from_pretrained(directory)
        targets = ["query"] if "bert" in kind else ["q_proj"]
        get_peft_model(
            model, LoraConfig(r=2, target_modules=targets, init_lora_weights=False)
        ).save_pretrained(directory)
    assert (directory / "adapter_model.safetensors").is_file()
    beside = load(directory)
    first, second = (found[0] if isinstance(found, tuple) else found for found in (alone, beside))
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize(
    ("error", "blamed"),
    [
        (ValueError("odd"), True),
        (KeyError("odd"), True),
        (ImportError("this model needs package x"), True),
        (RuntimeError("negative dimension"), True),
        (OSError("It looks like the config file is not valid"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (PermissionError(errno.EACCES, "denied"), False),
        (MemoryError(), False),
        (torch.OutOfMemoryError("x"), False),
        (RuntimeError("DefaultCPUAllocator: not enough memory"), False),
        (AssertionError("a defect"), False),
        (NameError("a defect"), False),
    ],
)
def test_a_fault_of_the_machine_or_ours_is_not_the_model_s(saved, monkeypatch, error, blamed):
    from transformers import AutoConfig

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(AutoConfig, "from_pretrained", fail)
    with pytest.raises(BadSpec if blamed else type(error)):
        load_config(saved("bert"), "the-model")


def test_outputs_that_are_no_numbers_end_the_stage(saved, tmp_path):
    directory = shutil.copytree(saved("bert-classifier"), tmp_path / "model")

    def swell(tensors):
        for name in tensors:
            if name.endswith(("LayerNorm.weight", "classifier.weight")):
                tensors[name].fill_(3e38)

    edit_weights(directory, swell)
    for role in ("classifier", "encoder"):
        refused = refusal(ROLES[role][1], directory)
        assert (refused.reason, "text 1" in str(refused)) == ("NonFiniteOutputs", True)
