"""Columns that stand in the path, as Hive and Spark write them: `country=de/part-0.parquet`."""

from urllib.parse import unquote

_NULL = "__HIVE_DEFAULT_PARTITION__"


def partition_columns(uri: str) -> dict[str, str | None]:
    """The columns that the folders of a file name, with their values as text."""
    folders = uri.partition("://")[2].split("/")[1:-1]
    named = [folder.partition("=") for folder in folders]
    return {
        unquote(name): None if value == _NULL else unquote(value)
        for name, equals, value in named
        if name and equals
    }
