"""GGUF files written here from known weights: what is converted is what was put in."""

import shutil
from types import SimpleNamespace

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from w2s_trainer.errors import BadSpec, OwnFault
from w2s_trainer.models.gguf import convert, gguf_digest, only_gguf

IDS = torch.arange(1, 25).reshape(2, 12)
TEMPLATE = "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}{% endfor %}"
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
VOCABULARY = ["<|end|>", *(chr(number) for number in range(33, 127)), "Ġ", "ab"]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        rope_theta=10_000.0,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config).eval()


def write_gguf(path, model, quantization=None, architecture="llama", without=()):
    """The model as llama.cpp keeps it: its names, and the rows of q and k in the order of its rotation."""
    config = model.config
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(VOCABULARY)
    writer.add_token_types([gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * (len(VOCABULARY) - 1))
    writer.add_token_merges(["a b"])
    for add in (writer.add_bos_token_id, writer.add_eos_token_id, writer.add_pad_token_id):
        add(0)
    writer.add_chat_template(TEMPLATE)
    for name, weight in model.state_dict().items():
        known = gguf_name(name)
        if known is None or known in without:
            continue
        values = weight.numpy()
        if "attn_q" in known or "attn_k" in known:
            heads = config.num_attention_heads if "attn_q" in known else config.num_key_value_heads
            halves = values.reshape(heads, 2, values.shape[0] // heads // 2, values.shape[1])
            values = np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))
        if quantization and values.ndim == 2:
            writer.add_tensor(known, gguf.quantize(values, quantization), raw_dtype=quantization)
        else:
            writer.add_tensor(known, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def gguf_name(name):
    name = name.removesuffix(".weight").removeprefix("model.")
    if name in ("embed_tokens", "norm"):
        return {"embed_tokens": "token_embd.weight", "norm": "output_norm.weight"}[name]
    if not name.startswith("layers."):
        return None  # the output layer is tied to the embedding
    _, number, rest = name.split(".", 2)
    return f"blk.{number}.{NAMES[rest]}.weight"


def logits(model):
    with torch.inference_mode():
        return model(IDS).logits


@pytest.mark.parametrize(
    ("quantization", "tolerance"), [(None, 1e-6), (gguf.GGMLQuantizationType.Q8_0, 5e-2)], ids=str
)
def test_the_converted_model_is_the_one_that_was_written(tmp_path, model, quantization, tolerance):
    file = write_gguf(tmp_path / "tiny.gguf", model, quantization)
    out = tmp_path / "out"
    out.mkdir()
    convert(file, out)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in out.iterdir()}
    got = AutoModelForCausalLM.from_pretrained(out)
    assert {weight.dtype for weight in got.parameters()} == {torch.float32}
    assert not getattr(got.config, "quantization_config", None)
    spread = logits(model).std()
    assert (logits(got) - logits(model)).abs().max() < tolerance * spread


def test_the_tokenizer_comes_along_with_template_and_limit(tmp_path, model):
    (tmp_path / "out").mkdir()
    convert(write_gguf(tmp_path / "tiny.gguf", model), tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer("ab c")["input_ids"] == [VOCABULARY.index(token) for token in ("ab", "Ġ", "c")]
    assert tokenizer.apply_chat_template([{"role": "user", "content": "ab"}], tokenize=False) == "<user>ab"
    assert tokenizer.model_max_length == 128
    assert tokenizer.eos_token == "<|end|>"


def test_what_lies_beside_the_file_plays_no_part(tmp_path, model):
    for name in ("alone", "crowded", "out-alone", "out-crowded"):
        (tmp_path / name).mkdir()
    file = write_gguf(tmp_path / "alone/tiny.gguf", model)
    shutil.copy(file, tmp_path / "crowded/tiny.gguf")
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json"):
        (tmp_path / "crowded" / name).write_text("{}")
    for name in ("alone", "crowded"):
        convert(tmp_path / name / "tiny.gguf", tmp_path / f"out-{name}")
    written = [
        {path.name: path.read_bytes() for path in (tmp_path / f"out-{name}").iterdir()}
        for name in ("alone", "crowded")
    ]
    assert written[0] == written[1]


def test_an_architecture_that_cannot_be_read_is_named_with_what_to_do(tmp_path, model):
    file = write_gguf(tmp_path / "odd.gguf", model, architecture="mamba9")
    with pytest.raises(BadSpec, match=r"odd\.gguf.*`mamba9`.*safetensors") as found:
        convert(file, tmp_path)
    assert found.value.reason == "UnsupportedGGUF"


def test_weights_that_are_not_in_the_file_are_not_invented(tmp_path, model):
    file = write_gguf(tmp_path / "tiny.gguf", model, without=("blk.1.ffn_up.weight",))
    with pytest.raises(BadSpec, match=r"no weights for model\.layers\.1\.mlp\.up_proj"):
        convert(file, tmp_path)


def test_half_a_file_is_refused(tmp_path, model):
    whole = write_gguf(tmp_path / "tiny.gguf", model)
    (tmp_path / "half.gguf").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (tmp_path / "page.gguf").write_text("<html>404</html>" * 10)
    (tmp_path / "nothing.gguf").write_bytes(b"")
    for name in ("half", "page", "nothing"):
        with pytest.raises(BadSpec, match=rf"{name}\.gguf: not a whole GGUF file") as found:
            convert(tmp_path / f"{name}.gguf", tmp_path)
        assert found.value.reason == "BadGGUF"


def test_a_part_of_a_split_model_is_refused(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "part.gguf", "llama")
    writer.add_uint16("split.count", 3)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(BadSpec, match="one of 3 parts") as found:
        convert(tmp_path / "part.gguf", tmp_path)
    assert found.value.reason == "SplitGGUF"


def test_a_disk_without_room_is_known_beforehand(tmp_path, model, monkeypatch):
    file = write_gguf(tmp_path / "tiny.gguf", model, gguf.GGMLQuantizationType.Q8_0)
    weights = sum(weight.numel() for weight in model.parameters()) * 4
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: SimpleNamespace(free=weights - 1))
    with pytest.raises(OwnFault, match=f"{weights:,} bytes are needed") as found:
        convert(file, tmp_path)
    assert found.value.reason == "DiskFull"
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("names", "only"),
    [
        ([], None),
        (["config.json"], None),
        (["a.gguf", "README.md"], "a.gguf"),
        (["sub/a.gguf"], "sub/a.gguf"),
    ],
)
def test_the_only_file(names, only):
    assert only_gguf("uri", names) == only


def test_several_files_are_listed():
    with pytest.raises(BadSpec, match=r"there are 2 GGUF files: a-q4\.gguf, a-q8\.gguf") as found:
        only_gguf("uri", ["/x/a-q8.gguf", "/x/a-q4.gguf", "/x/README.md"])
    assert found.value.reason == "SeveralModels"
    with pytest.raises(BadSpec, match=r"13 GGUF files: .*, …\."):
        only_gguf("uri", [f"{number:02}.gguf" for number in range(13)])


def test_a_digest_is_of_the_bytes_and_not_of_the_name(tmp_path):
    for name, data in {"a.gguf": b"1", "b.gguf": b"1", "c.gguf": b"2"}.items():
        (tmp_path / name).write_bytes(data)
    first, second, third = (gguf_digest(tmp_path / name) for name in ("a.gguf", "b.gguf", "c.gguf"))
    assert first == second != third


def test_a_pointer_of_git_lfs_is_named(tmp_path):
    (tmp_path / "m.gguf").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 133\n"
    )
    with pytest.raises(BadSpec, match=r"m\.gguf is a pointer of Git LFS") as refused:
        convert(tmp_path / "m.gguf", tmp_path / "out")
    assert refused.value.reason == "GitLFSPointer"
