"""Where artifacts, results and models are kept."""

from typing import Annotated

from pydantic import Field

from w2s_api.spec.base import Rule, Struct, text
from w2s_api.spec.pods import KeySelector, LocalObject


class Storage(Struct):
    """S3-compatible storage. Credentials are never written here: they come from a Secret or the environment."""

    rules = (
        Rule(
            cel="!has(self.caBundle) || !has(self.caBundleRef)",
            message="give `caBundle` or `caBundleRef`, not both",
            holds=lambda s: s.ca_bundle is None or s.ca_bundle_ref is None,
            field="caBundleRef",
        ),
    )

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
    ca_bundle_ref: KeySelector | None = Field(
        default=None,
        description="The same, from a ConfigMap. `w2s run` reads `caBundle` alone.",
    )
    credentials_secret_ref: LocalObject | None = Field(
        default=None,
        description="A Secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        " (and AWS_SESSION_TOKEN, if there is one). Pods see a changed Secret while they run. Default: what the"
        " pods' service account or environment gives. `w2s run` reads its own environment.",
    )
