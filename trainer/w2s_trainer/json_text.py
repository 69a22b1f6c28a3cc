"""JSON as the standard has it: it never says NaN or Infinity, which other readers refuse."""

import json
from typing import Any


def strict_json(
    value: Any, *, indent: int | None = None, compact: bool = False, ascii_only: bool = False
) -> str:
    """A value as JSON.

    Args:
        value: of dicts, lists, texts and finite numbers.
        indent: spaces a level; None writes one line.
        compact: without spaces between.
        ascii_only: write other characters as escapes, for streams of any encoding.

    Raises:
        ValueError: a number is NaN or infinite. Where it came from it should have ended the stage: a defect.
    """
    separators = (",", ":") if compact else None
    return json.dumps(value, ensure_ascii=ascii_only, allow_nan=False, indent=indent, separators=separators)
