"""Names that look the same and are written with other characters."""

import unicodedata


def alike(one: str, other: str) -> bool:
    """Whether two names are one but for composed accents, compatibility forms, white space and what is unseen."""
    return _plain(one) == _plain(other)


def in_code_points(word: str, twin: str) -> str:
    """How two names that look the same differ, as a sentence without its full stop."""
    return f"It looks like {twin!r}, which is written {_points(twin)}, and is written {_points(word)}"


def _plain(name: str) -> str:
    seen = (
        character
        for character in unicodedata.normalize("NFKC", name)
        if unicodedata.category(character) != "Cf"
    )
    return " ".join("".join(seen).split())


def _points(name: str) -> str:
    return " ".join(f"U+{ord(character):04X}" for character in name)
