"""`kubectl w2s report`: brings the report here, with the user's own keys to the store."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from w2s_api.exit_codes import ExitCode
from w2s_api.spec.storage import Storage
from w2s_cli.kubectl import cluster
from w2s_cli.kubectl.errors import ClusterError, NotThere
from w2s_cli.kubectl.job import SeenJob

_UNAVAILABLE_SECONDS = 3.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    cluster.add_arguments(parser)
    parser.add_argument(
        "--output", metavar="FILE", help="default: NAME-report.html here; - for standard output"
    )
    parser.add_argument(
        "--endpoint", metavar="URL", help="of the S3 server, where it has another address from here"
    )
    parser.add_argument("--credentials-dir", type=Path, metavar="DIR", help="files of a mounted Secret")


def main(arguments: argparse.Namespace) -> int:
    """Fetches it. The keys are those of the SDK's chain (AWS_PROFILE, AWS_ACCESS_KEY_ID, …)."""
    connected = cluster.connect(arguments)
    job = connected.job(arguments.name)
    uri = report_uri(job)
    storage = _storage(job)
    endpoint = arguments.endpoint or storage.endpoint
    with tempfile.TemporaryDirectory() as directory:
        bundle = _bundle(storage, connected, Path(directory))
        try:
            data = _fetch(uri, endpoint, storage.region, bundle, arguments.credentials_dir)
        except ModuleNotFoundError as error:
            if error.name not in ("boto3", "botocore"):
                raise
            raise ClusterError(by_hand(uri, endpoint)) from error
        except Exception as error:
            if getattr(error, "exit_code", None) != ExitCode.UNAVAILABLE or arguments.endpoint:
                raise
            raise _unreachable(error) from error
    if arguments.output == "-":
        sys.stdout.buffer.write(data)
        return ExitCode.DONE
    file = Path(arguments.output or f"{job.name}-report.html")
    try:
        file.write_bytes(data)
    except OSError as error:
        raise ClusterError(f"{file}: cannot be written: {error.strerror}.") from error
    print(f"{uri} → {file}")
    return ExitCode.DONE


def report_uri(job: SeenJob) -> str:
    """Returns the URI of the job's report.

    Raises:
        NotThere: it has not been written yet.
    """
    if uri := job.status.report_uri:
        return uri
    stage = next((stage for stage in job.status.stages if stage.name == "evaluate"), None)
    state = f"; that is {stage.state}" if stage else ""
    raise NotThere(
        f"{job.name} has no report yet: stage evaluate writes it{state}. See: kubectl w2s status {job.place}"
    )


def by_hand(uri: str, endpoint: str | None) -> str:
    """Says what to do where there is no S3 client."""
    at = f" --endpoint-url {endpoint}" if endpoint else ""
    needs = "To fetch it, this command needs boto3 (pip install '.[kubectl]')"
    return f"The report is at {uri}. {needs}; or: aws s3 cp {uri} .{at}"


def _storage(job: SeenJob) -> Storage:
    try:
        return Storage.model_validate(job.spec["storage"])
    except (KeyError, ValidationError):  # of another version: the report is at its URI all the same
        plain: dict[str, Any] = dict(job.spec.get("storage") or {})
        return Storage.model_construct(
            uri=plain.get("uri", ""), endpoint=plain.get("endpoint"), region=plain.get("region")
        )


def _bundle(storage: Storage, connected: cluster.Cluster, directory: Path) -> Path | None:
    """Writes the server's certificates to a file; None for the system's."""
    text = storage.ca_bundle
    if reference := storage.ca_bundle_ref:
        text = connected.config_map(reference.name).get(reference.key)
        if text is None:
            raise NotThere(f"ConfigMap {reference.name} has no key {reference.key} (storage.caBundleRef).")
    if text is None:
        return None
    file = directory / "ca.crt"
    file.write_text(text)
    return file


def _fetch(
    uri: str, endpoint: str | None, region: str | None, bundle: Path | None, credentials: Path | None
) -> bytes:
    from w2s_trainer.store.objects import Objects
    from w2s_trainer.store.settings import Patience, StorageSettings

    settings = StorageSettings(uri, endpoint, region, bundle, credentials)
    return Objects(settings, Patience(denied=0.0, unavailable=_UNAVAILABLE_SECONDS)).read(uri)


def _unreachable(error: Exception) -> ClusterError:
    unreachable = ClusterError(
        f"{error} If the server has that address inside of the cluster only, forward a port to it"
        " (kubectl port-forward) and name it by --endpoint."
    )
    unreachable.exit_code = ExitCode.UNAVAILABLE
    return unreachable
