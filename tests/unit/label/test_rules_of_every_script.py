"""Rules on texts that are not plain ASCII: words of every script, and the typographic forms of one word."""

import random
import re
import time
import unicodedata

import pytest

from w2s_api.methods.labelers import Functions
from w2s_trainer.errors import BadSpec
from w2s_trainer.stages.label.functions import compile_rules, vote
from w2s_trainer.stages.label.rule_text import marked, searchable


def votes(text: str, **rule) -> bool:
    functions = Functions.model_validate({"rules": [{"className": "a", **rule}]})
    return bool(vote(functions, ("a", "b"), [text]).matches[0, 0])


WORDS = [
    # (keyword, text in which it is a word, text in which it is a part of one)
    ("evaluation", "(Evaluation)", "reevaluation"),
    ("отличный", "Отличный фильм", "преотличный"),
    ("καλός", "ένας ΚΑΛΌΣ άνθρωπος", "καλόςς"),
    ("ممتاز", "فيلم ممتاز جدا", "والممتازون"),
    ("מצוין", "סרט מצוין!", "המצוינים"),
    ("अच्छा", "यह अच्छा है", "अच्छापन"),
    ("नमस्ते", "नमस्ते।", "नमस्तेजी"),
    ("நல்ல", "மிக நல்ல படம்", "நல்லது"),
    ("좋은", "좋은 영화", "좋은데"),
    ("écœurant", "c'est ÉCŒURANT.", "écœurante"),
    ("լավ", "շատ լավ է", "լավագույն"),
    ("კარგი", "ძალიან კარგი", "კარგია"),
    ("c++", "in C++ and C", "c++x"),
    ("naïve_bayes", "a naïve_bayes model", "naïve_bayes2"),
]


@pytest.mark.parametrize(("keyword", "inside", "part"), WORDS)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_keyword_is_a_whole_word_in_every_script(keyword, inside, part, form):
    written = unicodedata.normalize(form, keyword)
    for other in ("NFC", "NFD"):
        assert votes(unicodedata.normalize(other, inside), keywords=[written])
        assert not votes(unicodedata.normalize(other, part), keywords=[written])


@pytest.mark.parametrize(("keyword", "inside", "part"), WORDS)
def test_a_pattern_finds_the_same_words(keyword, inside, part):
    edge = r"\b" if keyword[-1].isalnum() or unicodedata.category(keyword[-1])[0] == "M" else r"(\W|$)"
    pattern = rf"\b{re.escape(keyword)}{edge}"
    assert votes(inside, pattern=pattern)
    assert not votes(part, pattern=pattern)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("非常好", "这部电影非常好看"),
        ("很糟糕", "我觉得很糟糕。"),
        ("面白い", "とても面白いです"),
        ("サービス", "良いサービスでした"),
        ("サービス", "良いｻｰﾋﾞｽでした"),
        ("ดีมาก", "หนังเรื่องนี้ดีมากเลย"),
        ("ດີຫຼາຍ", "ໜັງເລື່ອງນີ້ດີຫຼາຍ"),
        ("ល្អណាស់", "ខ្សែភាពយន្តនេះល្អណាស់មែន"),
        ("ល្អ\u200bណាស់", "នេះល្អណាស់"),
        ("ကောင်း", "ရုပ်ရှင်ကောင်းတယ်"),
        ("nlp", "我们研究NLP技术"),
        ("非常好", "这部电影非\n  常好看"),
        ("好", "очень好очень"),
        ("очень", "好очень好"),
        ("好 电影", "很好\n电影院"),
    ],
)
def test_where_no_spaces_are_written_a_word_is_found_anywhere(keyword, text):
    assert votes(text, keywords=[keyword])
    if " " not in keyword:
        assert votes(text, pattern=rf"\b{keyword}\b")
        assert votes(text, pattern=rf"\b(nothing|{keyword})\b")


@pytest.mark.parametrize(
    ("keyword", "text", "matches"),
    [
        ("👍", "great👍", True),
        ("👍", "👍🏽👍🏽", True),
        ("❤", "❤\ufe0f", True),
        ("👩\u200d💻", "a 👩\u200d💻!", True),
        ("€", "100€", True),
        ("100€", "1100€", False),
        ("$", "a $ b", True),
        ("好", "好\u0301", False),
    ],
)
def test_symbols_stand_beside_words(keyword, text, matches):
    assert votes(text, keywords=[keyword]) is matches


def test_a_letter_without_its_accent_is_another_letter():
    assert not votes("กี่คน", keywords=["ก"])
    assert not votes("кафэ́", keywords=["кафэ"])
    assert not votes("café", keywords=["cafe"])


ONE_WORD = [
    ("don't", ["don’t", "DON‘T", "donʼt", "don´t", "don＇t"]),
    ("don’t", ["don't"]),
    ('"as is"', ["“as is”", "«AS IS»", "„as is‟", "＂as is＂"]),
    ("non-commercial", ["non‐commercial", "non‑commercial", "non–commercial", "non—commercial", "non−commercial"]),
    ("п'ять", ["п’ять", "пʼять"]),
    ("licence", ["li\u00adcence", "lic\u200bence", "\ufefflicence", "lice\u2060nce", "\u200elicence\u200f"]),
    ("li\u00adcence", ["licence"]),
    ("می\u200cخواهم", ["میخواهم"]),
    ("جميل", ["جمـــيل"]),
    ("office", ["oﬃce", "ＯＦＦＩＣＥ"]),
    ("oﬃce", ["office"]),
    ("straße", ["STRASSE", "strasse", "STRAẞE"]),
    ("strasse", ["straße"]),
    ("istanbul", ["İSTANBUL", "istanbul", "ISTANBUL"]),
    ("İstanbul", ["İSTANBUL", "istanbul"]),
    ("sıkıntı", ["SIKINTI"]),
    ("ὀδυσσεύς", ["ὈΔΥΣΣΕΎΣ", "ὀδυσσεύσ"]),
    ("public licence", ["public\nlicence", "public  licence", "public\u00a0licence", "public\r\n\t licence"]),
    ("public\u00a0licence", ["public licence", "public\u2028licence", "public\u3000licence"]),
    ("x2", ["x²", "𝐱𝟐"]),
]  # fmt: skip


@pytest.mark.parametrize(("word", "texts"), ONE_WORD, ids=[ascii(word) for word, _ in ONE_WORD])
def test_typographic_forms_of_a_word_are_one_word(word, texts):
    for text in texts:
        for rule in (
            {"keywords": [word]},
            {"pattern": re.escape(word)},
            {"pattern": rf"{re.escape(word)}(\W|$)"},
        ):
            assert votes(f"a {text} b", **rule), (ascii(text), rule)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (r"\b(отличн|прекрасн)\w*\b", "Прекрасная", True),
        (r"\b(отличн|прекрасн)\b", "Прекрасная", False),
        (r"^\w+$", "अच्छा", True),
        (r"^\w+$", "e\u0301t\u00e9", True),
        (r"^[\w-]+$", "мини-ёлка", True),
        (r"^[^\W\d_]+$", "ёлка", True),
        (r"^[^\W\d_]+$", "ёлка2", False),
        (r"^\W+$", "—…—", True),
        (r"^\W+$", "—я—", False),
        (r"^\d+$", "٣٤", True),
        (r"^[0-9]+$", "٣٤", False),
        (r"^\D+$", "три", True),
        (r"^\S+$", "три", True),
        (r"я\sя", "я\u00a0я", True),
        (r"^[А-Я]+$", "ёлки", False),
        (r"^[А-Яё]+$", "Ёлки", True),
        (r"^[^а-я]+$", "Latin, ёё", True),
        (r"^[[:alpha:]]+$", "ёлка", True),
        (r"^[[:^alpha:]]+$", "ёлка", False),
        (r"^[[:word:]]+$", "ёлка_2", True),
        (r"^\p{Cyrillic}+$", "ёлка", True),
        (r"^\p{Lu}+$", "ЁЛКА", True),
        (r"^\PL+$", "12…", True),
        (r"^[\PL]+$", "1я", False),
        (r"^\p{^Greek}+$", "я", True),
        (r"^.$", "я", True),
        (r"^..$", "я", False),
        (r"^\C$", "я", True),
        (r"\Bёлка", "суперёлка", True),
        (r"\Bёлка", "ёлка", False),
        (r"^я{2}$", "яя", True),
        (r"^é+$", "éé", True),
        (r"^e\x{301}+$", "éé", True),
        (r"^ß+$", "SSSS", True),
        (r"^[ßа]+$", "SSа", True),
        (r"^[é́]$", "é", True),
        (r"^\x{44f}\x{42F}$", "Яя", True),
        (r"^\Q(я)+\E$", "(Я)+", True),
        (r"^\Qя\E+$", "яяя", True),
        (r"^\101\x41\0?$", "aA", True),
        (r"^(?i)Я$", "я", True),
        (r"^(?i:Я)(?P<rest>.*)$", "яяя", True),
        (r"a.b", "a\nb", False),
        (r"(?s)a.b", "a\nb", True),
        (r"(?s:a.b)c.d", "a\nbc\nd", False),
        (r"(?m)^second", "first\n  second", True),
        (r"^second", "first\nsecond", False),
        (r"first\nsecond", "first \r\n second", True),
        (r"a[ ]b", "a\u2003b", True),
        (r"a\tb", "a b", True),
        (r"(?U)^я+$", "яя", True),
        (r"[]я]", "]", True),
        (r"[^]я]", "я]", False),
        (r"[я\]-]", "-", True),
        (r"[\x{430}-\x{44F}]", "Я", True),
        (r"a{,2}", "a{,2}", True),
        (r"[.]", ".", True),
        (r"[.]", "я", False),
        ("ﬁ+", "fifi", True),
        (r"[“”]as is[“”]", '"as is"', True),
        (r"\b\S\b", "яя", False),
        (r"^\b\S\S\b$", "яя", True),
        (r"😀+", "😀😀", True),
        (r"OC|NQ", "я 好", False),
    ],
)
def test_patterns_mean_in_every_script_what_they_mean_in_ascii(pattern, text, matches):
    assert votes(text, pattern=pattern) is matches


@pytest.mark.parametrize("pattern", ["(?-i)GPL", "(?-i:GPL)", "(?s-i)x", "a(?m-i:b)"])
def test_a_pattern_that_asks_for_case_is_refused(pattern):
    with pytest.raises(BadSpec, match=r"rules\[0\].pattern: .*capitals from small letters"):
        compile_rules(Functions.model_validate({"rules": [{"className": "a", "pattern": pattern}]}), "f")


def test_a_pattern_that_grows_too_large_is_refused():
    pattern = r"(?:[\w.]{1,100}[\w!]{1,100}){1,10}"
    with pytest.raises(BadSpec, match="too large"):
        compile_rules(Functions.model_validate({"rules": [{"className": "a", "pattern": pattern}]}), "f")


PIECES = [
    *"abéя-_1٣",
    r"\b",
    r"\w",
    r"\W",
    r"\d",
    r"\D",
    r"\s",
    r"\S",
    ".",
    "[aé]",
    "[^aé]",
    "[а-я]",
    r"[\w-]",
    r"[^\w]",
]
PIECES += [r"[^\W_]", r"[\sя]", "^", "$", "(?:я|a)", "(a|ж)"]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_random_patterns_match_what_pythons_own_engine_matches(seed):
    """Python's `re` knows Unicode too (but for accents, which these texts have none of), in more time."""
    chance = random.Random(seed)
    compared = 0
    while compared < 1_000:
        pattern = ""
        for piece in chance.choices(PIECES, k=chance.randint(1, 5)):
            pattern += piece + (
                "" if piece in (r"\b", "^", "$") else chance.choice(["", "", "*", "+", "?", "{2}", "*?"])
            )
        wanted = re.compile(pattern.replace("$", r"\Z"), re.IGNORECASE)
        (ours,) = compile_rules(
            Functions.model_validate({"rules": [{"className": "a", "pattern": pattern}]}), "f"
        )
        for _ in range(10):
            text = searchable("".join(chance.choices("abéяжب_-1٣ .", k=chance.randint(1, 7))))
            assert bool(ours.search(marked(text))) == bool(wanted.search(text)), (pattern, text)
            compared += 1


def test_a_text_of_ascii_is_searched_as_it_is():
    assert marked(searchable("The GPL,\n version 2")) == "the gpl,\nversion 2"


@pytest.mark.parametrize("text", ["я" * 50_000, "я, 好" * 10_000, "好" * 50_000, "я好" * 25_000, "े" * 50_000])
def test_time_is_linear_in_every_script(text):
    began = time.process_time()
    assert not votes(text + "!", pattern=r"(\w+)+$")
    assert time.process_time() - began < 2
