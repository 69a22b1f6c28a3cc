"""Code that came with a model is never run, and nobody is asked whether it may be."""

import ast
import builtins
import io
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
from folder_kit import ROLES, edit_json

import w2s_cli
import w2s_trainer
from w2s_trainer.errors import BadSpec

LOADS = {"from_pretrained", "from_config"}
"""Methods of transformers that would run what a config names, unless they are told not to."""
NEVER = {"get_class_from_dynamic_module", "unpickle", "Unpickler", "pipeline_from", "AutoPeftModel"}
"""Names that run code of a file."""
WITHOUT_A_SWITCH = {"PeftModel"}
"""Their `from_pretrained` knows no code of a model's own."""


def sources():
    return [
        path for package in (w2s_trainer, w2s_cli) for path in sorted(Path(package.__path__[0]).rglob("*.py"))
    ]


def calls(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield node


def loading_calls():
    for path in sources():
        for call in calls(path):
            if isinstance(call.func, ast.Attribute) and call.func.attr in LOADS:
                yield path, call


def test_every_load_says_that_no_code_is_trusted():
    seen = set()
    for path, call in loading_calls():
        owner = ast.unparse(call.func.value)
        if owner in WITHOUT_A_SWITCH:
            continue
        given = {word.arg: word.value for word in call.keywords}
        where = f"{path.name}:{call.lineno}: {owner}.{call.func.attr}"
        trusts = given.get("trust_remote_code")
        assert isinstance(trusts, ast.Constant), where
        assert trusts.value is False, where
        seen.add(path.name)
    # Loads stand in one place; a GGUF file and the published class have their own.
    assert seen == {"loading.py", "gguf.py", "modeling_w2s.py"}


def test_nothing_unpickles_and_nothing_imports_what_a_model_names():
    for path in sources():
        for call in calls(path):
            name = ast.unparse(call.func)
            assert name not in ("torch.load", "pickle.load", "pickle.loads", "eval", "exec"), (path, name)
            assert name.rpartition(".")[2] not in NEVER, (path, name)


class Mark:
    """A folder's own code, which leaves a file where it runs."""

    def __init__(self, place: Path) -> None:
        self.file = place / "RAN"
        self.code = f"open({str(self.file)!r}, 'w').close()\n"

    def module(self, directory: Path, name: str = "mine.py") -> None:
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(self.code + "class C: pass\n")


CLASSES = dict.fromkeys(
    ("AutoConfig", "AutoModel", "AutoModelForSequenceClassification", "AutoModelForCausalLM"), "mine.C"
)


def config_of_an_unknown_kind(directory, mark):
    mark.module(directory)
    edit_json(directory / "config.json", model_type="mine", auto_map=CLASSES)


def config_of_a_known_kind(directory, mark):
    mark.module(directory)
    edit_json(directory / "config.json", auto_map=CLASSES)


def class_of_its_own(directory, mark):
    mark.module(directory)
    edit_json(directory / "config.json", auto_map=CLASSES, architectures=["MineForCausalLM"])


def code_in_another_repository(directory, mark):
    elsewhere = {name: f"org/evil--{value}" for name, value in CLASSES.items()}
    edit_json(directory / "config.json", auto_map=elsewhere)


def tokenizer_of_its_own(directory, mark):
    mark.module(directory)
    edit_json(
        directory / "tokenizer_config.json",
        tokenizer_class="Mine",
        auto_map={"AutoTokenizer": ["mine.C", "mine.C"]},
    )


def tokenizer_of_a_known_class(directory, mark):
    mark.module(directory)
    edit_json(directory / "tokenizer_config.json", auto_map={"AutoTokenizer": ["mine.C", "mine.C"]})


def tokenizer_code_in_the_config(directory, mark):
    mark.module(directory)
    edit_json(directory / "config.json", auto_map={"AutoTokenizer": ["mine.C", "mine.C"]})


def generation_of_its_own(directory, mark):
    mark.module(directory, "custom_generate/generate.py")
    (directory / "generation_config.json").write_text(json.dumps({"custom_generate": "."}))


def pickled_weights(directory, mark):
    class Runs:
        def __reduce__(self):
            return exec, (mark.code,)

    (directory / "model.safetensors").unlink()
    with zipfile.ZipFile(directory / "pytorch_model.bin", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Runs()))
        archive.writestr("archive/version", "3\n")
    (directory / "adapter_model.bin").write_bytes(pickle.dumps(Runs()))


def chat_template(directory, mark):
    reach = "{{ ''.__class__.__mro__[1].__subclasses__() }}{% import 'os' as os %}"
    edit_json(directory / "tokenizer_config.json", chat_template=reach)


SPOILED = [
    config_of_an_unknown_kind,
    config_of_a_known_kind,
    class_of_its_own,
    code_in_another_repository,
    tokenizer_of_its_own,
    tokenizer_of_a_known_class,
    tokenizer_code_in_the_config,
    generation_of_its_own,
    pickled_weights,
    chat_template,
]


@pytest.fixture
def nobody_is_asked(monkeypatch):
    def ask(*_):
        raise AssertionError("somebody was asked")

    monkeypatch.setattr(builtins, "input", ask)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))


@pytest.mark.usefixtures("nobody_is_asked")
@pytest.mark.parametrize("spoil", SPOILED)
@pytest.mark.parametrize("role", ROLES)
def test_a_model_that_would_leave_a_mark_leaves_none(saved, tmp_path, spoil, role):
    kind, load = ROLES[role]
    directory, mark = shutil.copytree(saved(kind), tmp_path / "model"), Mark(tmp_path)
    spoil(directory, mark)
    said = ""
    try:
        load(directory)
    except BadSpec as refused:
        said = str(refused)
    assert "trust_remote_code" not in said
    assert not mark.file.exists()


@pytest.mark.usefixtures("nobody_is_asked")
def test_the_code_beside_a_published_model_is_not_run_either(saved, tmp_path):
    """Our class is built in; the file beside the weights is for those who have no w2s."""
    import numpy as np

    from w2s_trainer.models.head import Head
    from w2s_trainer.models.published import CODE, load_classifier, publish_model

    directory, mark = tmp_path / "model", Mark(tmp_path)
    head = Head(np.ones((2, 16)), np.zeros(2), np.ones(16))
    publish_model(saved("bert"), head, ["a", "b"], 32, directory)
    (directory / CODE.name).write_text(mark.code + CODE.read_text())
    written = json.loads((directory / "config.json").read_text())
    edit_json(directory / "config.json", encoder=written["encoder"] | {"auto_map": CLASSES})
    mark.module(directory)
    logits, _ = load_classifier(directory).logits(["w1"], 16, 4096)
    assert logits.shape == (1, 2)
    assert not mark.file.exists()
