"""The options by which commands find a job and its store, and the store that they mean."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from w2s_trainer.store.objects import Objects

JOB_HELP = "a manifest, or [NAMESPACE/]NAME with --storage"


def add_store_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the store is, and its keys."""
    parser.add_argument("--storage", metavar="URI", help="`storage.uri` of the job, where JOB is a name")
    parser.add_argument(
        "--embedded-store", type=Path, metavar="DIR", help="the one that `w2s run` was given, for a job"
    )
    parser.add_argument("--endpoint", metavar="URL", help="of the S3 server, if it is not AWS")
    parser.add_argument("--credentials-dir", type=Path, metavar="DIR", help="files of a mounted Secret")


@contextmanager
def opened_store(arguments: argparse.Namespace, uri: str, endpoint: str | None) -> "Iterator[Objects]":
    """The store of what `add_store_arguments` read.

    Args:
        arguments: of the command line.
        uri: s3://… of something in it, if it is needed at all.
        endpoint: that of the manifest, which --endpoint overrides.
    """
    from w2s_trainer.store.objects import Objects
    from w2s_trainer.store.settings import Patience, StorageSettings

    settings = StorageSettings(
        uri=uri if uri.startswith("s3://") else "s3://unused",
        endpoint=arguments.endpoint or endpoint,
        credentials_dir=arguments.credentials_dir,
    )
    patience = Patience(denied=0, unavailable=60)
    if not arguments.embedded_store:
        yield Objects(settings, patience)
        return
    from w2s_trainer.store.embedded import EmbeddedStore

    with EmbeddedStore(arguments.embedded_store) as server:
        yield Objects(server.settings(settings.uri), patience)
