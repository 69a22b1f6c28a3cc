"""The form in which texts are compared: by exact duplicates, by near-duplicates, by rules, and with an expert's answer.

Punctuation and articles stay, other than in SQuAD's form (Rajpurkar et al. 2016): `gpl-2.0` and `gpl-20` are two
answers, and what an article is depends on the language.
"""

import unicodedata


def folded(text: str) -> str:
    """A text in Unicode NFKC, its case folded. White space stays as it is."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return text.casefold()


def normalised(text: str) -> str:
    """A folded text whose runs of white space are one space each, with none at its ends."""
    return " ".join(folded(text).split())
