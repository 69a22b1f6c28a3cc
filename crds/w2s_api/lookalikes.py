"""Names that look the same and are written with other characters."""

from w2s_api.canonical_text import canonical_text


def alike(first: str, second: str) -> bool:
    """Tells whether two names have one form, so that no label could tell them apart."""
    return canonical_text(first) == canonical_text(second)


def in_code_points(word: str, twin: str) -> str:
    """How two names that look the same differ, as a sentence without its full stop."""
    return f"It looks like {twin!r}, which is written {_points(twin)}, and is written {_points(word)}"


def _points(name: str) -> str:
    return " ".join(f"U+{ord(character):04X}" for character in name)
