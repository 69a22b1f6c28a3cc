"""Where artifacts, results and models are kept."""

from typing import Annotated

from pydantic import Field

from w2s_api.spec.base import Struct, text


class Storage(Struct):
    """S3-compatible storage. Credentials are never written here: they come from the environment."""

    uri: Annotated[
        str,
        text(
            1024,
            8,
            r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$",
            "s3://bucket/prefix, with a bucket name of 3 to 63 lower-case characters",
        ),
    ] = Field(description="s3://bucket/prefix below which everything of this job is written.")
    endpoint: (
        Annotated[str, text(512, 8, r"^https?://.+$", "a URL: it begins with http:// or https://")] | None
    ) = Field(
        default=None,
        description="The S3 server, e.g. https://minio.example.org. Default: as the AWS SDK finds it"
        " (AWS_ENDPOINT_URL, else AWS itself).",
    )
    region: Annotated[str, text(63, 1)] | None = Field(
        default=None, description="The region, where the server has any. Default: as the AWS SDK finds it."
    )
    ca_bundle: Annotated[str, text(65_536, 1)] | None = Field(
        default=None,
        description="Certificates (PEM) that the server's own is to be checked with. Default: the system's.",
    )
