"""The one place that loads configs, tokenizers and weights: what was loaded is what the model's files say.

transformers makes random numbers of weights that a file lacks, drops what is left over, invents an empty
vocabulary and, on a terminal, asks whether to run a model's own code. Here its report is read, and each of these
ends the load. Code that came with a model is never run: `trust_remote_code` is False wherever it can be said.
"""

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from w2s_trainer.errors import BadSpec
from w2s_trainer.models import folder
from w2s_trainer.models.finite import check_finite_weights
from w2s_trainer.models.folder import first_line, some
from w2s_trainer.models.tokens import check_length

_POOLER = r"(^|\.)pooler\."
_PRETRAINING_HEADS = (
    r"^(cls|lm_head|predictions|sop_classifier|vocab_transform|vocab_layer_norm|vocab_projector|mask_predictions"
    r"|generator_predictions|generator_lm_head|discriminator_predictions|lm_predictions|pred_layer|lm_loss)\b"
)
"""What models of transformers call the heads of their pretraining."""
_UNKNOWN = "\U00010a60"
"""A letter of Old South Arabian: hardly a vocabulary has it, and normalisers keep it, as they do no private use."""
_ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")


@dataclass(frozen=True)
class Role:
    """What weights are loaded for."""

    auto: str
    """The class of transformers that finds the model's class."""
    may_lack: str | None = None
    """Names of weights that a file may lack, or have in another shape: nothing reads them, or we set them."""
    may_leave: str | None = None
    """Names that may be left over."""
    heads_may_be_left: bool = False
    """Whether anything may be left over that is no part of the body."""
    encoder_decoders: bool = False


BODY = Role("AutoModel", may_lack=_POOLER, may_leave=_POOLER, heads_may_be_left=True)
"""A model without its head, read at its tokens' states; no pooler is."""
CLASSIFIER = Role(
    "AutoModelForSequenceClassification",
    may_leave=f"{_POOLER}|{_PRETRAINING_HEADS}",
    encoder_decoders=True,
)
"""A whole classifier, its head included."""
NEW_CLASSIFIER = Role(
    "AutoModelForSequenceClassification",
    may_lack=r"^(score|classifier)\.",
    may_leave=_POOLER,
    heads_may_be_left=True,
)
"""A body with a head that is set by us, whatever was there."""
CAUSAL = Role("AutoModelForCausalLM", may_leave=_POOLER)
"""A causal model with its output layer."""
MASKED = Role(
    "AutoModelForMaskedLM",
    may_lack=_PRETRAINING_HEADS,
    may_leave=f"{_POOLER}|{_PRETRAINING_HEADS}",
    heads_may_be_left=True,
)
"""An encoder that fills in masked tokens. Many were published without the head that does: it is then set by us."""


def load_config(directory: Path, name: str, **settings: Any) -> Any:
    """The config of a model, as transformers has it.

    Args:
        directory: in the Hugging Face layout.
        name: what a person calls the model, for errors.
        settings: in place of what config.json says.

    Raises:
        BadSpec: a file of the model is not as it must be, or transformers does not know the architecture.
    """
    written = folder.check_folder(directory, name)
    return _config(directory, name, written, settings)


def load_base_config(directory: Path, name: str, **settings: Any) -> Any:
    """As `load_config`, for a directory that holds a config and no weights."""
    written = folder.read_object(directory / folder.CONFIG, name, "BadModelConfig")
    return _config(directory, name, written, settings)


def load_tokenizer(directory: Path, name: str) -> Any:
    """A tokenizer that pads and cuts on the right, with the end of text where it has no padding token.

    Raises:
        BadSpec: it is not there, cannot be read or read with, has no fast form or nothing to pad with.
    """
    from transformers import AutoTokenizer

    folder.check_pointers(directory, name)
    folder.check_tokenizer_files(directory, name)
    _check_tokenizer_code(directory, name)
    with _refused_as("BadTokenizer", name, "its tokenizer cannot be read"), quiet():
        tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=False, local_files_only=True)
    if not tokenizer.is_fast:
        raise BadSpec(
            "NoFastTokenizer",
            f"{name}: its tokenizer ({type(tokenizer).__name__}) has no fast form.",
            f"Name a model with a {folder.TOKENIZER}, or convert it to one.",
        )
    check_length(tokenizer, name)
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
        raise BadSpec(
            "NoTokenizer",
            f"{name}: the vocabulary of its tokenizer is empty.",
            "Save the tokenizer beside the weights (`tokenizer.save_pretrained`).",
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token is None:
        raise BadSpec(
            "NoPaddingToken",
            f"{name}: its tokenizer has neither a padding nor an end token.",
            "Add a `pad_token` to its tokenizer_config.json.",
        )
    with _refused_as("BadTokenizer", name, "its tokenizer cannot read a word that it does not know"):
        tokenizer(_UNKNOWN)
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    return tokenizer


def load_model(
    directory: Path,
    name: str,
    config: Any,
    role: Role,
    dtype: Any,
    fill: Callable[[Any, Collection[str]], None] = lambda _model, _lacking: None,
) -> Any:
    """The model with its weights, each of which is a number that the files have.

    Args:
        directory: in the Hugging Face layout.
        name: what a person calls the model, for errors.
        config: of `load_config`.
        role: what for.
        dtype: of the weights.
        fill: sets the weights that the files may lack; given the model and their names.

    Raises:
        BadSpec: there is no such class, or weights are missing, left over, of another shape, or no numbers.
    """
    import torch

    loader = _loader(config, role, name)
    with (
        _refused_as("BadModelConfig", name, f"{folder.CONFIG} describes no model"),
        quiet(),
        torch.device("meta"),
    ):
        _of_config(loader, config)
    with (
        _whole(directory) as place,
        _refused_as("CorruptWeights", name, "its weights cannot be read", _OF_WEIGHTS),
        quiet(),
    ):
        model, report = loader.from_pretrained(
            place,
            config=config,
            dtype=dtype,
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # the report has them, and they are refused below
            output_loading_info=True,
        )
    check_report(report, model, role, name)
    fill(model, {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])})
    check_finite_weights(model, name)
    model = model.eval()
    if role is BODY:
        _check_reads_text(model, name)
    return model


def skeleton(directory: Path, name: str, role: Role) -> Any:
    """A model with its shapes and without weights, which take no memory: nothing but its config is read.

    Raises:
        BadSpec: transformers has no such class, or the config describes no model.
    """
    import torch

    config = load_config(directory, name)
    loader = _loader(config, role, name)
    with (
        _refused_as("BadModelConfig", name, f"{folder.CONFIG} describes no model"),
        quiet(),
        torch.device("meta"),
    ):
        return _of_config(loader, config)


def check_architecture(directory: Path, name: str, role: Role) -> None:
    """Refuses a model of which transformers has no class for a role; nothing but its config is read.

    Raises:
        BadSpec: there is none, or the config cannot be read.
    """
    _loader(load_config(directory, name), role, name)


def weights_of_head(key: str) -> bool:
    """Whether a weight of this name is of a pooler or of a head of pretraining: models are saved with them or without."""
    return _matches(f"{_POOLER}|{_PRETRAINING_HEADS}", key)


def check_report(report: dict[str, Any], model: Any, role: Role, name: str) -> None:
    """Reads what transformers says of a load.

    Args:
        report: its `missing_keys`, `mismatched_keys` and `unexpected_keys`.
        model: that was loaded.
        role: says what it may lack and leave.
        name: what a person calls the model.

    Raises:
        BadSpec: the weights are not those of this model.
    """
    lacks = sorted(key for key in report["missing_keys"] if not _matches(role.may_lack, key))
    if lacks:
        unexpected = sorted(report["unexpected_keys"])
        if role is CLASSIFIER and _is_the_head(set(lacks), model):
            more = " Its head is not there: this is a pretrained model and no classifier."
        else:
            more = (
                f" The files have others that it has no place for: {some(unexpected)}." if unexpected else ""
            )
        raise BadSpec(
            "MissingWeights",
            f"{name}: weights are missing, and would be random numbers: {some(lacks)}.{more}",
            "Name the whole model, or correct config.json to what the file holds.",
        )
    shapes = sorted(
        (key, *sizes) for key, *sizes in report["mismatched_keys"] if not _matches(role.may_lack, key)
    )
    if shapes:
        mismatches = [
            f"{key} is {tuple(there)}, config.json asks for {tuple(asked)}" for key, there, asked in shapes
        ]
        raise BadSpec(
            "WeightsDoNotFit",
            f"{name}: weights are of another shape than config.json says: {some(mismatches, 2)}.",
            "Correct config.json (of a head: `id2label` has one entry for each output), or save the model again.",
        )
    left = sorted(key for key in report["unexpected_keys"] if not _may_be_left(key, model, role))
    if left:
        raise BadSpec(
            "WeightsDoNotFit",
            f"{name}: weights are left over that {type(model).__name__} has no place for: {some(left)}.",
            "Correct config.json to what the file holds, or name the model by the class that it was saved from.",
        )


class quiet:
    """Keeps the library's advice on loading and lengths off the console: what matters of it is an error here."""

    def __enter__(self) -> None:
        from transformers.utils import logging

        self._before = logging.get_verbosity()
        logging.set_verbosity_error()
        logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        from transformers.utils import logging

        logging.set_verbosity(self._before)


def _config(directory: Path, name: str, written: dict[str, Any], settings: dict[str, Any]) -> Any:
    from transformers import AutoConfig

    from w2s_trainer.models.modeling_w2s import W2SConfig

    AutoConfig.register("w2s", W2SConfig, exist_ok=True)
    _check_architecture(written, name)
    with _refused_as("BadModelConfig", name, f"{folder.CONFIG} cannot be read"), quiet():
        config = AutoConfig.from_pretrained(
            directory, trust_remote_code=False, local_files_only=True, **settings
        )
    # They say how the model was once computed: by a package that is not here, or by code on the hub.
    config._attn_implementation = config._experts_implementation = None
    return config


def _check_architecture(written: dict[str, Any], name: str) -> None:
    """Refuses an architecture that transformers does not know, and a model that is its own code."""
    import transformers
    from transformers import CONFIG_MAPPING

    kind = written.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise BadSpec(
            "BadModelConfig",
            f"{name}: {folder.CONFIG} has no `model_type`.",
            "Save the model again with `save_pretrained`.",
        )
    if kind == "w2s":
        return
    code = written.get("auto_map")
    if kind not in CONFIG_MAPPING:
        if code:
            raise _own_code(name, f"its architecture `{kind}` is code of its own ({_files_of(code)})")
        raise BadSpec(
            "UnknownArchitecture",
            f"{name}: transformers {transformers.__version__} does not know the architecture `{kind}`.",
            "Name a model of an architecture that it knows, or correct `model_type` in its config.json.",
        )
    classes = written.get("architectures")
    classes = [cls for cls in classes if isinstance(cls, str)] if isinstance(classes, list) else []
    unknown = [cls for cls in classes if not hasattr(transformers, cls)]
    if code and unknown:
        raise _own_code(name, f"its class {unknown[0]} is code of its own ({_files_of(code)})")


def _check_tokenizer_code(directory: Path, name: str) -> None:
    from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

    if not (directory / folder.TOKENIZER_CONFIG).is_file():
        return
    written = folder.read_object(directory / folder.TOKENIZER_CONFIG, name, "BadTokenizer")
    code, kind = written.get("auto_map"), written.get("tokenizer_class")
    if not code or (isinstance(code, dict) and not code.get("AutoTokenizer")):
        return
    if not isinstance(kind, str) or tokenizer_class_from_name(kind) is None:
        raise _own_code(name, f"its tokenizer {kind or ''} is code of its own ({_files_of(code)})")


def _own_code(name: str, what: str) -> BadSpec:
    return BadSpec(
        "ModelNeedsItsCode",
        f"{name}: {what}, and w2s runs no code that came with a model.",
        "Name a model of an architecture that transformers has built in.",
    )


def _files_of(auto_map: Any) -> str:
    """Lists the files that an `auto_map` names."""
    values = list(auto_map.values()) if isinstance(auto_map, dict) else [auto_map]
    classes = [cls for value in values for cls in (value if isinstance(value, list) else [value])]
    modules = {cls.rpartition(".")[0] for cls in classes if isinstance(cls, str)}
    return some(sorted(f"{module}.py" for module in modules if module)) or "auto_map"


def _loader(config: Any, role: Role, name: str) -> Any:
    """The class whose `from_pretrained` loads such a model."""
    import transformers

    from w2s_trainer.models.modeling_w2s import W2SForSequenceClassification

    if config.model_type == "w2s" and role.auto == "AutoModelForSequenceClassification":
        return W2SForSequenceClassification
    if getattr(config, "is_encoder_decoder", False) and not role.encoder_decoders:
        raise BadSpec(
            "EncoderDecoder",
            f"{name}: `{config.model_type}` is an encoder–decoder, and w2s reads encoders and causal models.",
            "Name an encoder (such as those of BERT's kind) or a causal model.",
        )
    if config.model_type == "w2s":
        raise BadSpec(
            "UnknownArchitecture",
            f"{name}: a classifier that w2s has published, its head included, and no pretrained model.",
            "Name the model that it was tuned from, or use it in a labeler of type Classifier.",
        )
    loader = getattr(transformers, role.auto)
    if type(config) not in loader._model_mapping:
        raise BadSpec(
            "UnknownArchitecture",
            f"{name}: transformers has no {role.auto.replace('Auto', '…', 1)} of architecture `{config.model_type}`.",
            "Name a model of another architecture.",
        )
    return loader


def _check_reads_text(model: Any, name: str) -> None:
    """Refuses a model that wants more than text, such as a picture: those with parts of their own kinds are asked."""
    import torch

    if model.main_input_name == "input_ids" and model.config.get_text_config() is model.config:
        return
    token = torch.zeros((1, 1), dtype=torch.long)
    try:
        with torch.inference_mode():
            states = model(input_ids=token, attention_mask=torch.ones_like(token)).last_hidden_state
    except (ValueError, TypeError, AttributeError) as error:
        raise BadSpec(
            "UnknownArchitecture",
            f"{name}: a `{model.config.model_type}` does not read text alone ({first_line(error)}).",
            "Name a model of texts.",
        ) from error
    if states.ndim != 3:
        raise BadSpec(
            "UnknownArchitecture",
            f"{name}: a `{model.config.model_type}` gives no state for each token.",
            "Name a model of texts.",
        )


def _of_config(loader: Any, config: Any) -> Any:
    """The model without weights."""
    import copy

    if config.model_type == "w2s":
        return loader(copy.deepcopy(config))
    return loader.from_config(copy.deepcopy(config), trust_remote_code=False)


def _whole(directory: Path) -> AbstractContextManager[Path]:
    """The directory without the files of an adapter, which transformers would put on a whole model once more."""
    if any((directory / file).exists() for file in _ADAPTER_FILES):
        return _without_adapter(directory)
    return nullcontext(directory)


@contextmanager
def _without_adapter(directory: Path) -> Iterator[Path]:
    with TemporaryDirectory() as place:
        for path in directory.iterdir():
            if path.is_file() and path.name not in _ADAPTER_FILES:
                (Path(place) / path.name).symlink_to(path.absolute())
        yield Path(place)


def _may_be_left(key: str, model: Any, role: Role) -> bool:
    if _matches(role.may_leave, key):
        return True
    if not role.heads_may_be_left:
        return False
    prefix = f"{model.base_model_prefix}."
    parts = {name for name, _ in model.base_model.named_children()}
    return not key.startswith(prefix) and key.partition(".")[0] not in parts


def _matches(pattern: str | None, key: str) -> bool:
    return pattern is not None and re.search(pattern, key) is not None


def _is_the_head(keys: set[str], model: Any) -> bool:
    """Whether these weights of a classifier are its whole head, and nothing of its body but a pooler."""
    head = {key for key in model.state_dict() if not key.startswith(f"{model.base_model_prefix}.")}
    return head <= keys and all(_matches(_POOLER, key) for key in keys - head)


_OF_FILES: tuple[type[Exception], ...] = (
    ArithmeticError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    ImportError,
    RuntimeError,
)
"""What libraries raise on a config or tokenizer that they cannot make sense of: nothing else goes into the call."""
_OF_WEIGHTS: tuple[type[Exception], ...] = (ValueError, KeyError, RuntimeError)


class _refused_as:
    """Errors of a library on a model's files, as an error of the spec; a fault of the machine stays what it is.

    Args:
        reason: of the error.
        name: what a person calls the model.
        what: is wrong.
        kinds: of errors that the files are to blame for.
    """

    def __init__(
        self, reason: str, name: str, what: str, kinds: tuple[type[Exception], ...] = _OF_FILES
    ) -> None:
        self._reason, self._name, self._what, self._kinds = reason, name, what, kinds

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, BadSpec) or not isinstance(error, Exception) or not self._of_files(error):
            return
        raise BadSpec(
            self._reason,
            f"{self._name}: {self._what} ({first_line(error)}).",
            "Download or save the model again, or name another.",
        ) from error

    def _of_files(self, error: Exception) -> bool:
        from huggingface_hub.errors import StrictDataclassError
        from safetensors import SafetensorError

        if isinstance(error, RuntimeError):  # memory and devices have classes of their own, or say so
            return RuntimeError in self._kinds and type(error) is RuntimeError and "memory" not in str(error)
        if isinstance(error, OSError):  # one with a number is the system's
            return error.errno is None
        if type(error) is Exception:  # all that the tokenizers library raises
            return self._kinds is _OF_FILES
        return isinstance(error, (*self._kinds, StrictDataclassError, SafetensorError))
