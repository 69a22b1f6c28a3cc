"""Rows of .parquet."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2s_trainer.data.content import checked_stream
from w2s_trainer.data.csv_records import check_given_once
from w2s_trainer.data.row import Foreign, Row, Unusable
from w2s_trainer.errors import BadData

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 1024


def read_parquet(uri: str, path: Path, columns: Collection[str]) -> Iterator[Row | Unusable]:
    """The rows of a Parquet file; of the wanted columns only.

    Binary columns are read as UTF-8, since older writers do not mark text as such. Values of types that are neither
    text, nor a list of texts, nor a key are `Foreign`.

    Args:
        uri: the file, for messages.
        path: where its bytes are.
        columns: the fields that are wanted; each must be the name of one column.

    Raises:
        BadData: the file is empty, broken, or two columns have a name that is wanted.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.stat().st_size:
        raise BadData("EmptyFile", f"{uri} is empty: not even Parquet without rows.", "Make the file again.")
    with path.open("rb") as file:
        checked_stream(uri, file, expected=b"PAR1")
    number = 0
    try:
        with pq.ParquetFile(path) as parquet:
            schema = parquet.schema_arrow
            check_given_once(uri, schema.names, columns)
            wanted = [name for name in dict.fromkeys(columns) if name in schema.names]
            foreign = {
                name: Foreign(str(schema.field(name).type))
                for name in wanted
                if not _is_readable(schema.field(name).type)
            }
            readable = [name for name in wanted if name not in foreign]
            if not readable:
                for number in range(1, parquet.metadata.num_rows + 1):
                    yield Row(number, foreign, schema.names)
                return
            for batch in parquet.iter_batches(_BATCH, columns=readable):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(
                        number, {name: _text(values[name]) for name in readable} | foreign, schema.names
                    )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise BadData(
            "CorruptFile",
            f"{uri}: not a sound Parquet file after row {number:,} ({str(error).splitlines()[0][:120]}).",
            "It was not written or copied to its end: make it again.",
        ) from error


def _is_readable(type_: "pa.DataType") -> bool:
    import pyarrow as pa
    from pyarrow import types

    if types.is_dictionary(type_):
        return _is_readable(type_.value_type)
    if types.is_list(type_) or types.is_large_list(type_):
        return bool(types.is_string(type_.value_type) or types.is_large_string(type_.value_type))
    return isinstance(type_, pa.UuidType) or any(
        is_of(type_)
        for is_of in (
            *(types.is_string, types.is_large_string, types.is_string_view),
            *(types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary),
            *(types.is_boolean, types.is_integer, types.is_float32, types.is_float64, types.is_decimal),
            *(types.is_date, types.is_null),
        )
    )


def _text(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return Foreign("binary (and not UTF-8)")
