"""Which class an answer names, and how likely each is. Pure."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.families.classification.votes import SMOOTHING
from w2s_trainer.stages.label.remote.conversation import ANSWER
from w2s_trainer.stages.label.remote.reply import Choice, Token

KINDS = ("answered", "empty", "cutOff", "refused", "noClass", "severalClasses", "tooLong", "failed")
"""What can become of a question; all but the first are abstentions. Their places are kept in saved answers."""

_THOUGHT = re.compile(r"^.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
"""Some servers leave the model's thoughts in the answer."""
_LEAD = re.compile(r"^\W*(?:(?:final )?answer|class|label|category)\s*(?:is)?\s*[:=]\s*", re.IGNORECASE)
_LAST_LINE = re.compile(rf"^\W*{ANSWER}", re.IGNORECASE)
_NEGATION = re.compile(r"(?:\b(?:not|no|never|neither|nor)|n['’]t)\W+(?:\w+\W+){0,2}$", re.IGNORECASE)


@dataclass(frozen=True)
class Reading:
    """What one answer says of a text."""

    kind: str
    """One of KINDS."""
    label: int = -1
    """The class that it names; -1 if it names none."""
    probabilities: NDArray[np.float64] | None = None
    """float64[K], where the endpoint gave those of the tokens."""


def read(choice: Choice, names: Sequence[str], *, reasoning: bool = False) -> Reading:
    """Reads an answer.

    Args:
        choice: the answer.
        names: of the K classes.
        reasoning: only the line that begins with `Answer:` counts, the last one if there are several.
    """
    if choice.refused:
        return Reading("refused")
    answer = _THOUGHT.sub("", choice.text)
    if not answer.strip():
        return Reading("cutOff" if choice.finish == "length" else "empty")
    line = _last_line(answer) if reasoning else answer
    named = _named(line, names) if line is not None else []
    if len(named) != 1:
        if choice.finish == "length":
            return Reading("cutOff")
        return Reading("severalClasses" if named else "noClass")
    start = choice.text.rindex(line or "") if line else 0
    lead = _LEAD.match(line or "")
    return Reading(
        "answered",
        named[0],
        _likelihoods(choice.tokens, start + (lead.end() if lead else 0), names, named[0]),
    )


def read_text(choice: Choice, stop: Sequence[str]) -> tuple[str, str]:
    """Reads an answer that is a text: one of KINDS, and the text before the first of the stop strings, empty if it is no
    answer."""
    if choice.refused:
        return "refused", ""
    text = _THOUGHT.sub("", choice.text)
    places = [place for string in stop if (place := text.find(string)) >= 0]
    text = text[: min(places, default=len(text))].strip()
    if choice.finish == "length" and not places:
        return "cutOff", ""
    # Half of a surrogate pair can be written in JSON, and in no file.
    text = text.encode(errors="replace").decode()
    return ("answered", text) if text else ("empty", "")


def log_likelihood(choice: Choice, text: str) -> float:
    """The log-probability of a text that `read_text` read from an answer: of its tokens, the one in which it ends included; not
    a number where the endpoint gives none, or others than those of the answer."""
    whole = "".join(token.text for token in choice.tokens)
    thought = _THOUGHT.match(choice.text)
    start = choice.text.find(text, thought.end() if thought else 0) if text else -1
    if start < 0 or whole != choice.text:
        return float("nan")
    total, place = 0.0, 0
    for token in choice.tokens:
        if place < start + len(text) and place + len(token.text) > start:
            total += token.logprob
        place += len(token.text)
    return total


def _last_line(answer: str) -> str | None:
    return next((line for line in reversed(answer.splitlines()) if _LAST_LINE.match(line)), None)


def _named(answer: str, names: Sequence[str]) -> list[int]:
    """The classes that an answer names: the one that it is or begins with, else all whose names stand in it.

    A name that stands within a longer one (`spam` in `not spam`), or after a negation, is not named.
    """
    if answer.strip() in names:
        return [list(names).index(answer.strip())]
    said, plain = _plain(_LEAD.sub("", answer)), [_plain(name) for name in names]
    if said and said in plain:
        return [k for k, name in enumerate(plain) if name == said]
    longest_first = sorted(range(len(plain)), key=lambda k: -len(plain[k]))
    for k in longest_first:
        if plain[k] and re.match(rf"{re.escape(plain[k])}(?:[.,;:!\n(]|\s[-–—(]|\*)", said):
            return [k]
    named, left = [], said
    for k in longest_first:
        whole = re.compile(rf"(?<!\w){re.escape(plain[k])}(?!\w)")
        if plain[k] and any(not _NEGATION.search(said[: match.start()]) for match in whole.finditer(left)):
            named.append(k)
        left = whole.sub(lambda match: " " * len(match[0]), left)
    return named


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip(" \t\r\n\"'`*_.“”‘’«»<>[]()")


def _likelihoods(
    tokens: Sequence[Token], start: int, names: Sequence[str], label: int
) -> NDArray[np.float64] | None:
    """Probabilities of the classes, from the likeliest tokens at each place of the answer until one class is left.

    A token stands for the classes whose names go on with it, and shares its probability among them if they are
    several. A class that no listed token leads to has no more than the least likely of those listed, and no more
    than what they leave: to be left out of a list is not to be impossible.

    Args:
        tokens: of the whole answer.
        start: characters of the answer before the class is named.
        names: of the K classes.
        label: the class that the answer names.

    Returns:
        float64[K], None where there are no tokens or they are not those of the answer.
    """
    place = 0
    while place < len(tokens) and start >= len(tokens[place].text):
        start -= len(tokens[place].text)
        place += 1
    if place == len(tokens):
        return None
    plain = [_plain(name) for name in names]
    masses, path, said = np.zeros(len(names)), 1.0, ""
    unlisted, least = 0.0, 1.0
    for token in tokens[place:]:
        options = {**token.likeliest, token.text: token.logprob}
        if not token.likeliest:
            return None
        shares = {text: float(np.exp(logprob)) for text, logprob in options.items()}
        least = min(least, path * min(shares.values()))
        unlisted += path * max(0.0, 1 - sum(shares.values()))
        for text, share in shares.items():
            fitting = _fitting(said + text, plain)
            if text != token.text and fitting:
                masses[fitting] += path * share / len(fitting)
        said, path = said + token.text, path * shares[token.text]
        fitting = _fitting(said, plain)
        if fitting == [label]:
            masses[label] += path
            break
        if not fitting:
            return None
    else:
        if label not in _fitting(said, plain):
            return None
        masses[label] += path
    missing = masses == 0
    if missing.any():
        masses[missing] = max(min(least, unlisted / missing.sum()), 1e-9)
    return np.asarray(masses / masses.sum())


def _fitting(said: str, plain: Sequence[str]) -> list[int]:
    """The classes whose name begins so; all of them as long as nothing is said."""
    begun = _plain(said)
    exact = [k for k, name in enumerate(plain) if name == begun]
    if exact and said != said.rstrip() and begun:
        return exact
    return [k for k, name in enumerate(plain) if name.startswith(begun)]


def combined(readings: Sequence[Reading], k: int) -> tuple[str, NDArray[np.float64], bool]:
    """What several answers to the same question say together.

    Args:
        readings: at least one.
        k: classes.

    Returns:
        One of KINDS; probabilities float64[K], zeros of an abstention: the mean of those of the tokens, else of one
        vote (1 + .25) / (1 + .25 K), else the shares of the votes; and whether they are those of tokens.
    """
    answered = [reading for reading in readings if reading.kind == "answered"]
    if not answered:
        return readings[0].kind, np.zeros(k), False
    likelihoods = [reading.probabilities for reading in answered if reading.probabilities is not None]
    if len(likelihoods) == len(answered):
        return "answered", np.mean(likelihoods, axis=0), True
    votes = np.bincount([reading.label for reading in answered], minlength=k).astype(np.float64)
    if len(readings) == 1:
        votes += SMOOTHING
    return "answered", votes / votes.sum(), False
