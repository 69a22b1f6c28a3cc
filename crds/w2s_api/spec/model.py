"""Which model."""

from typing import Annotated

from pydantic import Field

from w2s_api.spec.base import ModelURI, Struct

MaxTokens = Annotated[int, Field(ge=8, le=131_072)]


class Model(Struct):
    """Given by its URI."""

    uri: ModelURI = Field(
        description="hf://org/name[@revision], s3://bucket/prefix/, py://package (weights shipped in an"
        " installed Python package) or, with `w2s run` only, file:///directory."
    )
