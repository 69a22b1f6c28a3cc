"""The form in which texts are compared: by exact duplicates, by near-duplicates, and by rules."""

import unicodedata


def folded(text: str) -> str:
    """A text in Unicode NFKC, its case folded. White space stays as it is."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return text.casefold()


def normalised(text: str) -> str:
    """A folded text whose runs of white space are one space each, with none at its ends."""
    return " ".join(folded(text).split())
