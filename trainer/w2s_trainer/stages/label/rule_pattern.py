"""Translates rules into patterns over marked text (rule_text.py): RE2's syntax, with the classes of Unicode."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

import re2

from w2s_trainer.data.scripts import is_accent, is_unspaced, is_word
from w2s_trainer.stages.label.rule_text import OTHER_MARKS, UNSPACED_MARKS, WORD_MARKS, alike

_OPEN = f"[{WORD_MARKS[0]}{OTHER_MARKS[0]}{UNSPACED_MARKS[0][0]}{UNSPACED_MARKS[0][1]}]"
_CLOSE = f"[{WORD_MARKS[1]}{OTHER_MARKS[1]}{UNSPACED_MARKS[1][0]}{UNSPACED_MARKS[1][1]}]"
_OPEN_UNSPACED, _CLOSE_UNSPACED = (f"[{''.join(pair)}]" for pair in UNSPACED_MARKS)
_OPEN_IN_WORD = f"[{WORD_MARKS[0]}{''.join(UNSPACED_MARKS[0])}]"
_CLOSE_IN_WORD = f"[{WORD_MARKS[1]}{''.join(UNSPACED_MARKS[1])}]"

_SPACE = r"[ \n]"
_LINE_ENDS = "\n\r\v\f\x85\u2028\u2029"
_WORD = r"\pL\pM\pN\p{Pc}"
_NO_WORD = r"\pZ\pS\pC\p{Pd}\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Po}"
_NO_DIGIT = r"\pL\pM\p{Nl}\p{No}\pP\pS\pZ\pC"
_NO_SPACE = r"\x{0}-\x{9}\x{b}-\x{1f}\x{21}-\x{10ffff}"
_PERL = {"w": _WORD, "W": _NO_WORD, "d": r"\p{Nd}", "D": _NO_DIGIT, "s": r" \n", "S": _NO_SPACE}
_POSIX = {
    "[:word:]": _WORD,
    "[:^word:]": _NO_WORD,
    "[:digit:]": r"\p{Nd}",
    "[:^digit:]": _NO_DIGIT,
    "[:space:]": r" \n",
    "[:^space:]": _NO_SPACE,
    "[:alpha:]": r"\pL\pM",
    "[:^alpha:]": r"\pN\pP\pS\pZ\pC",
    "[:alnum:]": r"\pL\pM\pN",
    "[:^alnum:]": r"\pP\pS\pZ\pC",
    "[:lower:]": r"\p{Ll}\p{Lu}",
    "[:upper:]": r"\p{Ll}\p{Lu}",
    "[:punct:]": r"[:punct:]\pP",
}
"""What stands in a class for each shorthand. RE2's own know ASCII only; the text has no capitals."""

_TOKEN = re.compile(
    r"""(?sx)
    \\Q (?P<quoted> .*? ) (?: \\E | $ )
  | \\E
  | (?P<property> \\[pP] (?: \{ [^}]* \} | . ) )
  | \\ (?P<perl> [dDsSwW] )
  | (?P<assertion> \\[AzbB] )
  | (?P<any> \\C )
  | \\x \{ (?P<braced> [0-9A-Fa-f]+ ) \}
  | \\x (?P<hexadecimal> [0-9A-Fa-f]{2} )
  | \\ (?P<octal> 0[0-7]{0,2} | [1-7][0-7]{1,2} )
  | \\ (?P<control> [afnrtv] )
  | \\ (?P<escaped> . )
  | (?P<quantifier> (?: [*+?] | \{ [0-9]+ (?: , [0-9]* )? \} ) \?? )
  | \( \? (?P<flags> [imsU]* -? [imsU]* ) (?P<scoped> [:)] )
  | (?P<open> \( (?: \? P? < [^>]* > )? )
  | (?P<close> \) )
  | (?P<syntax> [|^$] )
  | (?P<dot> \. )
  | (?P<class> \[ )
  | (?P<literal> . )
    """
)
_POSIX_CLASS = re.compile(r"\[:\^?[a-z]+:\]")
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class CaseAsked(ValueError):
    """A pattern wants to tell capitals from small letters, which no rule does."""


def translated(pattern: str) -> str:
    """A pattern that RE2 has accepted, for marked text and with case taken into account.

    Raises:
        CaseAsked: it has the flag `-i`.
    """
    return _Translation(pattern).run()


def keywords_pattern(keywords: Sequence[str]) -> str:
    """Makes a pattern for marked text of whole words or phrases; in scripts without spaces they stand anywhere."""
    by_edges: dict[tuple[str, str], list[str]] = {}
    for keyword in keywords:
        if plain := " ".join(alike(keyword).split()):
            edges = _edge(plain[0], r"\A", WORD_MARKS[1]), _edge(plain[-1], r"\z", WORD_MARKS[0])
            by_edges.setdefault(edges, []).append(_literal(plain))
    alternatives = [f"{before}(?:{'|'.join(words)}){after}" for (before, after), words in by_edges.items()]
    return "|".join(alternatives) or r"\A\b\B"  # nothing that can be seen: it never matches


def _edge(character: str, end: str, mark: str) -> str:
    """What must stand beside a keyword that ends in a character, on the side of `end`."""
    if is_unspaced(character):
        return r"\b"
    if not character.isascii() and unicodedata.category(character)[0] == "S":  # 100€, great👍
        return ""
    return f"(?:{end}|[^0-9a-z_{mark}])"


@dataclass
class _Translation:
    pattern: str
    _written: list[str] = field(default_factory=list)
    _literals: str = ""
    _dot_is_all: list[bool] = field(default_factory=lambda: [False])
    """Whether `.` matches line ends, by depth of groups."""

    def run(self) -> str:
        place = 0
        while place < len(self.pattern):
            token = _TOKEN.match(self.pattern, place)
            assert token is not None, "the last alternative takes any character"
            place = token.end()
            if (literal := _literal_of(token)) is not None:
                self._literals += literal
            elif token["class"]:
                members = _Class(self.pattern, place)
                place = members.end
                self._add(members.written)
            elif token["quantifier"]:
                self._quantify(token["quantifier"])
            else:
                self._add(self._syntax(token))
        self._flush()
        return "".join(self._written)

    def _syntax(self, token: re.Match[str]) -> str:
        if token["flags"] is not None:
            return self._flags(token["flags"], token["scoped"])
        if token["open"]:
            self._dot_is_all.append(self._dot_is_all[-1])
            return token["open"]
        if token["close"]:
            self._dot_is_all.pop()
            return ")"
        if token["dot"]:
            return _any(self._dot_is_all[-1])
        if token["any"]:
            return _any(True)
        if token["perl"]:
            return _shorthand(token["perl"])
        if token["property"]:
            return _marked_class(f"[{token['property']}]")
        return token["assertion"] or token["syntax"] or ""

    def _flags(self, flags: str, scoped: str) -> str:
        on, _, off = flags.partition("-")
        if "i" in off:
            raise CaseAsked
        dot_is_all = ("s" in on or self._dot_is_all[-1]) and "s" not in off
        if scoped == ":":
            self._dot_is_all.append(dot_is_all)
        else:
            self._dot_is_all[-1] = dot_is_all
        kept = on.replace("i", "") + (f"-{off}" if off else "")
        return f"(?{kept}:" if scoped == ":" else f"(?{kept})" if kept else "(?:)"

    def _add(self, written: str) -> None:
        self._flush()
        self._written.append(written)

    def _flush(self) -> None:
        self._written.append(_literal(alike(self._literals)))
        self._literals = ""

    def _quantify(self, quantifier: str) -> None:
        """Applies to the last character, with its accents."""
        if self._literals:
            start = len(self._literals) - 1
            while start and is_accent(self._literals[start]):
                start -= 1
            last, self._literals = self._literals[start:], self._literals[:start]
            self._add(f"(?:{_literal(alike(last))})")
        self._written.append(quantifier)


class _Class:
    """A class in brackets: what follows `[` at `start`.

    Written as an alternative of the characters of ASCII that it has, of a marked character, and of members that
    are several characters once they are folded (ß).
    """

    def __init__(self, pattern: str, start: int) -> None:
        self._pattern = pattern
        negated = pattern.startswith("^", start)
        self.end = start + negated
        self._members: list[str] = []
        self._several: list[str] = []
        literals = ""
        for item in self._items():
            if isinstance(item, tuple):
                self._members.append(item[0])
            else:
                literals += item
        self._add_literals(literals)
        whole = f"[{'^' if negated else ''}{''.join(self._members)}]" if self._members else _NEVER
        self.written = _marked_class(whole, () if negated else self._several)

    def _items(self) -> Iterator[str | tuple[str]]:
        """Yields literals as strings, everything else as it is written in a class, in a tuple."""
        first = True
        while first or self._pattern[self.end] != "]":
            first = False
            if posix := _POSIX_CLASS.match(self._pattern, self.end):
                self.end = posix.end()
                yield (_POSIX.get(posix[0], posix[0]),)
                continue
            token = self._take()
            low = _literal_of(token, in_class=True)
            if low is None:
                yield (_PERL[token["perl"]] if token["perl"] else token[0],)
            elif self._pattern.startswith("-", self.end) and self._pattern[self.end + 1] != "]":
                self.end += 1
                high = _literal_of(self._take(), in_class=True)
                assert high is not None, "RE2 has accepted the range"
                yield (f"\\x{{{ord(low):x}}}-\\x{{{ord(high):x}}}",)
            else:
                yield low
        self.end += 1

    def _take(self) -> re.Match[str]:
        token = _TOKEN.match(self._pattern, self.end)
        assert token is not None, "the last alternative takes any character"
        if not token[0].startswith("\\"):  # nothing else has a meaning of its own in a class
            token = _ANY.match(self._pattern, self.end)
            assert token is not None, "RE2 has accepted the class"
        self.end = token.end()
        return token

    def _add_literals(self, literals: str) -> None:
        for character in unicodedata.normalize("NFC", literals):
            if character.isspace():
                self._members.append(r"\n" if character in _LINE_ENDS else r" \n")
            elif len(plain := alike(character)) == 1:
                self._members.append(f"\\x{{{ord(plain):x}}}")
            elif plain:
                self._several.append(_literal(plain))


_ANY = re.compile(r"(?s)(?P<literal>.)")
_NEVER = r"[^\x{0}-\x{10ffff}]"


def _literal_of(token: re.Match[str], in_class: bool = False) -> str | None:
    """Returns the characters that a token stands for; None if it does not stand for itself."""
    if token.re is _ANY:
        return token["literal"]
    if token["quoted"] is not None:
        return token["quoted"]
    if number := token["braced"] or token["hexadecimal"]:
        return chr(int(number, 16))
    if token["octal"]:
        return chr(int(token["octal"], 8))
    if token["control"]:
        return _CONTROLS[token["control"]]
    if in_class and token["assertion"]:
        return token["assertion"][1]
    return token["escaped"] or token["literal"]


def _literal(text: str) -> str:
    """A folded text, character by character; white space of any kind stands for any that the text may have.

    Between letters of a script without spaces a line may end.
    """
    written: list[str] = []
    before = ""
    for part in re.split(r"(\s+)", text):
        if part.isspace():
            written.append(r"\n" if any(end in part for end in _LINE_ENDS) else _SPACE)
            before = ""
            continue
        for character in part:
            if before and is_unspaced(before) and is_unspaced(character):
                written.append(r"\n?")
            written.append(_character(character))
            before = character
    return "".join(written)


@cache
def _character(character: str) -> str:
    if character.isascii():
        return str(re2.escape(character))
    if is_unspaced(character):
        return f"{_OPEN_UNSPACED}{character}{_CLOSE_UNSPACED}"
    before, after = WORD_MARKS if is_word(character) else OTHER_MARKS
    return f"{before}{character}{after}"


@cache
def _shorthand(name: str) -> str:
    """`\\w` and its like by the marks alone, where they tell: a class of all letters is large."""
    marks = "".join([*WORD_MARKS, *OTHER_MARKS, *UNSPACED_MARKS[0], *UNSPACED_MARKS[1]])
    match name:
        case "w":
            return f"(?:[0-9a-z_]|{_OPEN_IN_WORD}(?s:.){_CLOSE_IN_WORD})"
        case "W":
            return rf"(?:[^0-9a-z_{marks}\x{{80}}-\x{{10ffff}}]|{OTHER_MARKS[0]}(?s:.){OTHER_MARKS[1]})"
        case "s":
            return _SPACE
        case _:
            return _marked_class(f"[{_PERL[name]}]")


def _any(line_ends_too: bool) -> str:
    return _marked_class(r"[\x{0}-\x{10ffff}]" if line_ends_too else r"[^\n]")


def _marked_class(whole: str, several: Sequence[str] = ()) -> str:
    """Writes a class over marked text: its ASCII members, its others between marks, and strings beside them."""
    options = [f"{_OPEN}(?i:{whole}){_CLOSE}", *several]
    if ascii_members := _ascii_members(whole):
        options.insert(0, ascii_members)
    return f"(?:{'|'.join(options)})"


@cache
def _ascii_members(whole: str) -> str:
    """Writes the class of those ASCII characters, without capitals and marks, that another class has."""
    compiled = re2.compile(f"(?i:{whole})")
    free = [chr(code) for code in range(5, 128) if not chr(code).isupper()]
    members = "".join(f"\\x{{{ord(character):x}}}" for character in free if compiled.fullmatch(character))
    return f"[{members}]" if members else ""
