"""May this process use the store? Asked before any work is done."""

from uuid import uuid4

from w2s_trainer.errors import StoreDenied
from w2s_trainer.store.objects import Objects
from w2s_trainer.store.settings import split_uri


def check_access(objects: Objects, uri: str) -> None:
    """List, write, read and delete one small object below `uri`.

    Raises:
        BadSpec: NoSuchBucket, WrongRegion, UntrustedCertificate, BadStorage.
        StoreDenied: NoCredentials, WrongCredentials, ExpiredCredentials, ReadOnlyBucket, AccessDenied.
        StoreUnavailable: the server does not answer.
    """
    bucket, _ = split_uri(uri)
    prefix = f"{uri.rstrip('/')}/.w2s-access-"
    # Listing first: it tells a missing bucket and wrong keys apart, which a server may hide when written to.
    next(objects.list(prefix), None)
    probe = prefix + uuid4().hex
    try:
        objects.write(probe, b"May this process write here?")
    except StoreDenied as denial:
        if denial.reason != "AccessDenied":
            raise
        raise StoreDenied(
            "ReadOnlyBucket",
            f"Bucket {bucket} at {uri} may be read with these credentials, but not written.",
            "Grant s3:PutObject and s3:DeleteObject on the storage prefix, or name another bucket.",
        ) from denial
    objects.read(probe)
    objects.delete([probe])
