"""Models by URI: packages, directories, S3 prefixes and hub repositories, and GGUF files in them."""

import hashlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import NamedTuple

from w2s_trainer.errors import BadSpec, StageError, StoreUnavailable
from w2s_trainer.models.cache import kept
from w2s_trainer.models.gguf import SUFFIX, convert, converted, gguf_digest, only_gguf
from w2s_trainer.store.objects import ObjectInfo, Objects

WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin")


def fetch_model(uri: str, objects: Objects, cache: Path) -> Path:
    """A local directory with the model's files, in the Hugging Face layout.

    Args:
        uri: the model (docs/models.md). A GGUF file is converted the first time.
        objects: the store, for s3://.
        cache: where downloads and conversions are kept, by their digest.

    Raises:
        BadSpec: there is no such model, its weights or its config.json are missing, there are several GGUF
            files, or one that cannot be converted.
        OwnFault: there is no room for it.
    """
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
    _complete(uri, place)
    return place


def model_digest(uri: str, objects: Objects) -> str:
    """What a model is, without downloading or converting its weights: for content keys.

    The bytes of local files, of a GGUF file nothing else; names, sizes and ETags of S3 objects; the commit of
    a hub's revision, and the file where one is named.
    """
    scheme, _, rest = uri.partition("://")
    if scheme == "s3":
        return _digest_of(_objects(uri, objects))
    if scheme == "hf":
        return _hash(_commit(uri, rest).encode())
    place = _package(uri, rest) if scheme == "py" else _local(uri, Path(rest))
    if place.suffix == SUFFIX:
        return gguf_digest(place)
    _complete(uri, place)
    digest = hashlib.sha256()
    for path in sorted(path for path in place.rglob("*") if path.is_file() and path.suffix != ".py"):
        digest.update(str(path.relative_to(place)).encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]


def _has_weights(directory: Path) -> bool:
    return any(any(directory.glob(pattern)) for pattern in WEIGHTS)


def _complete(uri: str, directory: Path) -> None:
    if not directory.is_dir():
        raise BadSpec("NoSuchModel", f"{uri}: there is no such directory.", "Check the URI.")
    found = sorted(path.name for path in directory.iterdir() if path.is_file())
    if "config.json" not in found or not _has_weights(directory):
        what = "config.json" if "config.json" not in found else "weights (*.safetensors)"
        there = ", ".join(found[:8]) or "nothing"
        raise BadSpec(
            "MissingWeights",
            f"{uri}: {what} not found; there is {there}.",
            "Upload the whole model directory.",
        )


def _local(uri: str, path: Path) -> Path:
    """The directory, or the GGUF file that is named or is the only model in it."""
    if path.suffix == SUFFIX and not path.is_dir():
        if not path.is_file():
            raise BadSpec("NoSuchModel", f"{uri}: there is no such file.", "Check the URI.")
        return path
    if path.is_dir() and not _has_weights(path):
        found = only_gguf(uri, [str(file) for file in path.iterdir()])
        return Path(found) if found else path
    return path


def _package(uri: str, name: str) -> Path:
    """The directory in an installed package that holds config and weights, or its only GGUF file."""
    files = sorted(_model_files(uri, name), key=lambda path: (len(path.parts), str(path)))
    for file in files:
        if file.name == "config.json" and _has_weights(file.parent):
            return file.parent
    if found := only_gguf(uri, [str(file) for file in files]):
        return Path(found)
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
    """The objects that a model is made of: all below the prefix, or one GGUF file."""
    if uri.endswith(SUFFIX):
        found = objects.stat(uri)
        if found is None:
            raise BadSpec("NoSuchModel", f"{uri}: there is no such object.", "Check the URI.")
        return [found]
    below = list(objects.list(_folder(uri)))
    if not below:
        raise BadSpec("MissingWeights", f"{uri}: there is nothing below this prefix.", "Check the URI.")
    names = {item.uri.removeprefix(_folder(uri)): item for item in below}
    there = [name for name in names if "/" not in name]
    if any(PurePath(name).match(pattern) for name in there for pattern in WEIGHTS):
        return below
    only = only_gguf(uri, there)
    return [names[only]] if only else below


def _digest_of(found: Sequence[ObjectInfo]) -> str:
    return _hash(json.dumps(sorted((item.uri, item.size, item.etag) for item in found)).encode())


def _from_s3(uri: str, objects: Objects, cache: Path) -> Path:
    found = _objects(uri, objects)
    digest = _digest_of(found)
    if len(found) == 1 and found[0].uri.endswith(SUFFIX):
        return kept(converted(cache, digest), partial(_convert_object, objects, found[0].uri))

    def download(directory: Path) -> None:
        for item in found:
            objects.download(item.uri, directory / item.uri.removeprefix(_folder(uri)))
        _complete(uri, directory)

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


def _commit(uri: str, rest: str) -> str:
    from huggingface_hub import HfApi

    name, file, revision = _repository(rest)
    try:
        commit = str(HfApi().model_info(name, revision=revision).sha)
    except Exception as error:
        raise _hub_error(uri, error) from error
    return f"{commit}/{file}" if file else commit


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
