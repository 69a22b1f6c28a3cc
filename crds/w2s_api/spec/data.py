"""Which texts there are, and which of them experts have labelled."""

from typing import Annotated

from pydantic import Field

from w2s_api.places import cel_overlap, overlap
from w2s_api.spec.base import DataURI, Fraction, Rule, Struct, text

FieldName = Annotated[str, text(128, 1)]


class Source(Struct):
    """One object, or all objects below a prefix."""

    uri: DataURI = Field(
        description="s3://bucket/key of one object, or s3://bucket/prefix/ for all objects below it:"
        " .jsonl, .jsonl.gz, .csv or .parquet. file:///path works with `w2s run` only."
    )


class Fields(Struct):
    """Column names."""

    rules = (
        Rule(
            cel="self.text != self.label"
            " && (!has(self.group) || (self.group != self.text && self.group != self.label))",
            message="`text`, `label` and `group` must be different columns: a text that is its own label, or a class"
            " that is a group, would make figures that mean nothing",
            holds=lambda fields: len({fields.text, fields.label, fields.group}) == 3,
            field="label",
        ),
    )

    text: FieldName = Field(default="text", description="The text to classify.")
    label: FieldName = Field(default="label", description="The class, in gold rows.")
    group: FieldName | None = Field(
        default=None,
        description="What rows belong together: a contract, a client, a template. Rows of one group are never"
        " split between test and training. Leave it out only if rows are independent.",
    )
    id: FieldName | None = Field(
        default=None, description="The name of a row. Default: its file and its row number."
    )


class NearDuplicates(Struct):
    """When two texts count as the same text. Near-duplicates are kept on one side of every split."""

    similarity: Fraction = Field(
        default="0.8", description="Jaccard similarity of the word shingles from which on they do."
    )
    shingle_words: Annotated[int, Field(ge=1, le=32)] = Field(
        default=5, description="Words in a shingle. Longer shingles find only longer copied passages."
    )


class Data(Struct):
    """Which texts there are, and which of them experts have labelled."""

    rules = (
        Rule(
            cel=f"!{cel_overlap('self.gold.uri', 'self.unlabeled.uri')}",
            message="`gold` and `unlabeled` are the same object, or one lies below the other: give the expert labels"
            " in a place of their own",
            holds=lambda d: not overlap(d.gold.uri, d.unlabeled.uri),
            field="gold.uri",
        ),
        Rule(
            cel=f"!has(self.test) || !({cel_overlap('self.test.uri', 'self.gold.uri')}"
            f" || {cel_overlap('self.test.uri', 'self.unlabeled.uri')})",
            message="`test` must be an object of its own, and neither below `gold` or `unlabeled` nor above; leave"
            " it out to have the test split from `gold`",
            holds=lambda d: (
                d.test is None or not any(overlap(d.test.uri, other.uri) for other in (d.gold, d.unlabeled))
            ),
            field="test.uri",
        ),
        Rule(
            cel=f"!has(self.asked) || !({cel_overlap('self.asked.uri', 'self.gold.uri')}"
            f" || {cel_overlap('self.asked.uri', 'self.unlabeled.uri')}"
            f" || (has(self.test) && {cel_overlap('self.asked.uri', 'self.test.uri')}))",
            message="`asked` must be a place of its own, and neither below `gold`, `unlabeled` or `test` nor above:"
            " what a model chose must never be in a test",
            holds=lambda d: (
                d.asked is None
                or not any(
                    overlap(d.asked.uri, other.uri) for other in (d.gold, d.unlabeled, d.test) if other
                )
            ),
            field="asked.uri",
        ),
    )

    unlabeled: Source = Field(
        description="The pool of texts to learn from. If rows carry the label field, it is kept apart and"
        " used only for the arm `ceiling`."
    )
    gold: Source = Field(description="Texts that experts have labelled: split into the test and the budget.")
    test: Source | None = Field(
        default=None,
        description="Gold texts for the final test. Default: a part of `gold`, `testFraction` of its rows.",
    )
    asked: Source | None = Field(
        default=None,
        description="Texts of the pool that `w2s ask` chose and experts labelled. They leave the pool for the gold"
        " budget of every seed, in addition to `goldBudget`, and are never in the test: a model chose them.",
    )
    fields: Fields = Field(
        default_factory=Fields, description="How the fields (columns) of the rows are called."
    )
    test_fraction: Fraction = Field(
        default="0.5",
        description="The share of gold rows held out for the final test, whole families at a time."
        " Not used when `test` is given.",
    )
    gold_budget: Annotated[int, Field(ge=2, le=1_000_000)] | None = Field(
        default=None,
        description="How many of the gold rows outside of the test one seed may use for anything: teaching a"
        " weak model, calibration, tuning. Each seed draws its own. Default: all of them.",
    )
    split_seed: Annotated[int, Field(ge=0, le=2_147_483_647)] = Field(
        default=0, description="Another number, another division of the gold families into test and budget."
    )
    near_duplicates: NearDuplicates = Field(
        default_factory=NearDuplicates, description="When two texts count as the same text."
    )
    revision: Annotated[str, text(63)] = Field(
        default="", description="Any word. Change it to say that the data changed under the same URI."
    )
