"""Models by URI: packages, directories, S3 prefixes and hub repositories; GGUF files and adapters in them."""

import hashlib
import importlib.metadata
import importlib.util
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePath
from typing import NamedTuple

from w2s_trainer.data.sources import is_folder_marker
from w2s_trainer.errors import BadSpec, StageError, StoreUnavailable
from w2s_trainer.models import adapter
from w2s_trainer.models.cache import kept
from w2s_trainer.models.folder import (
    check_folder,
    check_pointers,
    check_tokenizer_files,
    has_tokenizer,
    is_pickle,
    no_tokenizer,
    pickled,
    weights_among,
)
from w2s_trainer.models.gguf import SUFFIX, convert, converted, gguf_digest, only_gguf
from w2s_trainer.store.objects import ObjectInfo, Objects

WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin")


def fetch_model(uri: str, objects: Objects, cache: Path) -> Path:
    """A local directory with a whole model, in the Hugging Face layout.

    Args:
        uri: the model (docs/models.md). A GGUF file is converted, an adapter merged into its base model, the
            first time.
        objects: the store, for s3://.
        cache: where downloads, conversions and merged models are kept, by their digest.

    Raises:
        BadSpec: there is no such model, its weights or its config.json are missing, there are several GGUF
            files, or a GGUF file or an adapter that cannot be used.
        OwnFault: there is no room for it.
    """
    fetched = fetch_directory(uri, objects, cache)
    if not adapter.is_adapter(path.name for path in fetched.iterdir()):
        return fetched
    with _of_adapter(uri):
        named = adapter.base_uri((fetched / adapter.CONFIG).read_bytes())
        base = fetch_directory(named, objects, cache) if named else fetched / adapter.BASE
        _complete(named or f"{uri}{adapter.BASE}", base)
    target = cache / "models" / f"merged-{adapter.VERSION}-{model_digest(uri, objects)}"
    return kept(target, lambda directory: adapter.merge(fetched, base, directory, uri))


def fetch_directory(uri: str, objects: Objects, cache: Path) -> Path:
    """A local directory with the files that a URI names: as `fetch_model`, but an adapter stays one."""
    scheme, _, rest = uri.partition("://")
    match scheme:
        case "py":
            place = _package(uri, rest)
        case "file":
            place = _local(uri, Path(rest))
        case "s3":
            return _from_s3(uri, objects, cache)
        case "hf":
            place = _hub(uri, rest, cache)
        case _:
            raise BadSpec("UnknownModelURI", f"{uri}: models are read from hf://, s3://, file:// or py://.")
    if place.suffix == SUFFIX:
        return kept(converted(cache, gguf_digest(place)), partial(convert, place))
    _complete(uri, place, adapters=True)
    return place


def model_digest(uri: str, objects: Objects) -> str:
    """Returns a digest of a model, without downloading or converting its weights: for content keys.

    It covers the bytes of local files, of a GGUF file nothing else; names, sizes and ETags of S3 objects; the
    commit of a hub's revision, and the file where one is named. That of an adapter covers its base model.
    """
    digest = _digest(uri, objects)
    if not digest.adapter:
        return digest.own
    with _of_adapter(uri):
        base = adapter.base_uri(digest.adapter)
        return _hash(f"{digest.own}/{_digest(base, objects).own}".encode()) if base else digest.own


def check_model_files(uri: str, objects: Objects) -> None:
    """Looks at the files of a model before anything else is done with it: on this machine into them, on S3 at their
    names. A hub's are looked at when they are there.

    Raises:
        BadSpec: a file is missing, is not whole, or is of a kind that is not read.
    """
    scheme, _, rest = uri.partition("://")
    if scheme == "s3" and not uri.endswith(SUFFIX):
        _check_names(uri, _top([item.uri.removeprefix(_folder(uri)) for item in _objects(uri, objects)]))
    if scheme not in ("py", "file"):
        return
    place = _package(uri, rest) if scheme == "py" else _local(uri, Path(rest))
    if not place.is_dir():
        return
    _complete(uri, place, adapters=True)
    check_pointers(place, uri)
    if not adapter.is_adapter(path.name for path in place.iterdir()):
        check_folder(place, uri)
        check_tokenizer_files(place, uri)


def _check_names(uri: str, there: Sequence[str]) -> None:
    if adapter.is_adapter(there) or any(name.endswith(SUFFIX) for name in there):
        return
    weights_among(there, uri)
    if not has_tokenizer(there):
        raise no_tokenizer(uri)


@contextmanager
def _of_adapter(uri: str) -> Iterator[None]:
    """Errors on the base model of an adapter say whose base model it is."""
    try:
        yield
    except StageError as error:
        message = (
            error.message if error.message.startswith(uri) else f"{uri}: of its base model: {error.message}"
        )
        hint = error.hint
        if error.reason == "NoSuchModel":
            hint = (
                f"Write in its {adapter.CONFIG}, as `base_model_name_or_path`, the base model's name on the hub or a"
                " URI that can be read from here."
            )
        raise type(error)(error.reason, message, hint) from error


class _Digest(NamedTuple):
    own: str
    adapter: bytes | None
    """The adapter_config.json of an adapter."""


def _digest(uri: str, objects: Objects) -> _Digest:
    scheme, _, rest = uri.partition("://")
    if scheme == "s3":
        infos = _objects(uri, objects)
        names = [info.uri.removeprefix(_folder(uri)) for info in infos]
        config = objects.read(_folder(uri) + adapter.CONFIG) if adapter.is_adapter(_top(names)) else None
        return _Digest(_digest_of(infos), config)
    if scheme == "hf":
        commit, config = _commit(uri, rest)
        return _Digest(_hash(commit.encode()), config)
    place = _package(uri, rest) if scheme == "py" else _local(uri, Path(rest))
    if place.suffix == SUFFIX:
        return _Digest(gguf_digest(place), None)
    _complete(uri, place, adapters=True)
    digest = hashlib.sha256()
    for path in sorted(path for path in place.rglob("*") if path.is_file() and path.suffix != ".py"):
        digest.update(str(path.relative_to(place)).encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    is_adapter = adapter.is_adapter(path.name for path in place.iterdir())
    return _Digest(digest.hexdigest()[:32], (place / adapter.CONFIG).read_bytes() if is_adapter else None)


def _top(names: Sequence[str]) -> list[str]:
    return [name for name in names if "/" not in name and not _is_hidden(name)]


def _is_hidden(name: str) -> bool:
    """Of a path below the model: what editors and synchronising tools leave there (`.ipynb_checkpoints/`)."""
    return any(part.startswith(".") for part in name.split("/"))


def _has_weights(directory: Path) -> bool:
    return any(any(directory.glob(pattern)) for pattern in WEIGHTS)


def _complete(uri: str, directory: Path, *, adapters: bool = False) -> None:
    if not directory.is_dir():
        raise BadSpec("NoSuchModel", f"{uri}: there is no such directory.", "Check the URI.")
    names = sorted(path.name for path in directory.iterdir() if path.is_file())
    if adapter.is_adapter(names):
        if adapters:
            return
        raise BadSpec("UnsupportedAdapter", f"{uri}: an adapter in place of a base model.", "Merge it first.")
    if adapter.CONFIG in names and "config.json" not in names:
        if pickles := [name for name in names if is_pickle(name)]:
            raise pickled(uri, pickles[0])
        raise BadSpec(
            "BadAdapter",
            f"{uri}: {adapter.CONFIG} is there, and {adapter.WEIGHTS} is not.",
            "Upload the whole directory of the adapter.",
        )
    if "config.json" not in names or not _has_weights(directory):
        what = "config.json" if "config.json" not in names else "weights (*.safetensors)"
        there = ", ".join(names[:8]) or "nothing"
        raise BadSpec(
            "MissingWeights",
            f"{uri}: {what} not found; there is {there}.",
            "Upload the whole model directory.",
        )


def _local(uri: str, path: Path) -> Path:
    """Returns the directory, or the GGUF file that is named or is the only model in it."""
    if path.suffix == SUFFIX and not path.is_dir():
        if not path.is_file():
            raise BadSpec("NoSuchModel", f"{uri}: there is no such file.", "Check the URI.")
        return path
    if path.is_dir() and not _has_weights(path):
        only = only_gguf(uri, [str(file) for file in path.iterdir() if not _is_hidden(file.name)])
        return Path(only) if only else path
    return path


def _package(uri: str, name: str) -> Path:
    """Returns the directory in an installed package that holds config and weights, or its only GGUF file."""
    files = sorted(_model_files(uri, name), key=lambda path: (len(path.parts), str(path)))
    for file in files:
        if file.name == "config.json" and _has_weights(file.parent):
            return file.parent
    if only := only_gguf(uri, [str(file) for file in files]):
        return Path(only)
    raise BadSpec("MissingWeights", f"{uri}: the package holds no model (config.json and weights, or GGUF).")


def _model_files(uri: str, name: str) -> Sequence[Path]:
    """Every config.json and GGUF file of a package, which is found as a module, else as a distribution."""
    for module in (name, name.replace("-", "_")):
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            spec = None
        if spec and spec.submodule_search_locations:
            roots = [Path(root) for root in spec.submodule_search_locations]
            return [
                path for root in roots for what in ("config.json", f"*{SUFFIX}") for path in root.rglob(what)
            ]
    try:
        listed = importlib.metadata.files(name) or []
    except importlib.metadata.PackageNotFoundError:
        raise BadSpec(
            "NoSuchModel", f"{uri}: this package is not installed.", f"Install it: pip install {name}"
        ) from None
    return [
        Path(str(file.locate())) for file in listed if file.name == "config.json" or file.suffix == SUFFIX
    ]


def _objects(uri: str, objects: Objects) -> Sequence[ObjectInfo]:
    """Lists the objects that a model is made of: all below the prefix, or one GGUF file."""
    if uri.endswith(SUFFIX):
        info = objects.stat(uri)
        if info is None:
            raise BadSpec("NoSuchModel", f"{uri}: there is no such object.", "Check the URI.")
        return [info]
    below = [
        item
        for item in objects.list(_folder(uri))
        if not is_folder_marker(item.uri.removeprefix(_folder(uri)))
    ]
    if not below:
        raise BadSpec("MissingWeights", f"{uri}: there is nothing below this prefix.", "Check the URI.")
    names = {item.uri.removeprefix(_folder(uri)): item for item in below}
    there = _top(list(names))
    if any(PurePath(name).match(pattern) for name in there for pattern in WEIGHTS):
        return below
    only = only_gguf(uri, there)
    return [names[only]] if only else below


def _digest_of(infos: Sequence[ObjectInfo]) -> str:
    return _hash(json.dumps(sorted((info.uri, info.size, info.etag) for info in infos)).encode())


def _from_s3(uri: str, objects: Objects, cache: Path) -> Path:
    infos = _objects(uri, objects)
    digest = _digest_of(infos)
    if len(infos) == 1 and infos[0].uri.endswith(SUFFIX):
        return kept(converted(cache, digest), partial(_convert_object, objects, infos[0].uri))

    def download(directory: Path) -> None:
        for info in infos:
            name = info.uri.removeprefix(_folder(uri))
            if not _is_hidden(name):
                objects.download(info.uri, directory / name)
        _complete(uri, directory, adapters=True)

    return kept(cache / "models" / digest, download)


def _convert_object(objects: Objects, uri: str, directory: Path) -> None:
    file = directory / PurePath(uri).name
    objects.download(uri, file)
    convert(file, directory)
    file.unlink()


def _folder(uri: str) -> str:
    return uri if uri.endswith("/") else uri + "/"


class _Repository(NamedTuple):
    name: str
    file: str | None
    revision: str | None


def _repository(rest: str) -> _Repository:
    """Of `org/name[/path/name.gguf][@revision]`."""
    place, _, revision = rest.partition("@")
    parts = place.split("/", 2)
    file = parts.pop() if len(parts) == 3 and place.endswith(SUFFIX) else None
    return _Repository("/".join(parts), file, revision or None)


def _hub(uri: str, rest: str, cache: Path) -> Path:
    """The snapshot's directory, or the GGUF file that is named or is the only model in the repository."""
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    name, file, revision = _repository(rest)
    where = cache / "hub"
    try:
        if file is None:
            # GGUF repositories hold a dozen sizes of one model: no byte of them moves before one is chosen.
            directory = Path(
                snapshot_download(name, revision=revision, cache_dir=where, ignore_patterns=[f"*{SUFFIX}"])
            )
            if _has_weights(directory):
                return directory
            file = only_gguf(uri, HfApi().list_repo_files(name, revision=revision))
            if file is None:
                return directory
        return Path(hf_hub_download(name, file, revision=revision, cache_dir=where))
    except StageError:
        raise
    except Exception as error:
        raise _hub_error(uri, error) from error


def _commit(uri: str, rest: str) -> tuple[str, bytes | None]:
    """Returns the commit, with the file if one is named, and the adapter_config.json if it is an adapter."""
    from huggingface_hub import HfApi, hf_hub_download

    name, file, revision = _repository(rest)
    try:
        info = HfApi().model_info(name, revision=revision)
        if file:
            return f"{info.sha}/{file}", None
        if not adapter.is_adapter(sibling.rfilename for sibling in info.siblings or ()):
            return str(info.sha), None
        with tempfile.TemporaryDirectory() as place:
            config = hf_hub_download(name, adapter.CONFIG, revision=info.sha, cache_dir=place)
            return str(info.sha), Path(config).read_bytes()
    except Exception as error:
        raise _hub_error(uri, error) from error


def _hub_error(uri: str, error: Exception) -> StageError:
    if type(error).__name__ in _NOT_THERE:
        return BadSpec(
            "NoSuchModel", f"{uri}: the hub has no such model, revision or file, or it is private."
        )
    return StoreUnavailable(
        "HubUnavailable",
        f"{uri}: the hub does not answer ({type(error).__name__}).",
        "Copy the model to your S3 and name it by s3://, or try again later.",
    )


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


_NOT_THERE = (
    "RepositoryNotFoundError",
    "RevisionNotFoundError",
    "RemoteEntryNotFoundError",
    "GatedRepoError",
    "HFValidationError",
)
