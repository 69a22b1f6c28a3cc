import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from fixtures import render, results

from w2s_trainer.families.imitation import imitation_sentence
from w2s_trainer.local.results import table
from w2s_trainer.report import charts
from w2s_trainer.report.answers import answers, cautions, pgr_sentence
from w2s_trainer.report.render import tone


class Page(HTMLParser):
    """Text and attributes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href") and value]

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    ("figures", "first", "colour"),
    [
        ({}, "Yes: the new model is better than its teacher", "better"),
        (
            {"strong": 0.5, "weak": 0.9, "coverage": 1.0, "gold_only": 0.4, "zero_shot": 0.3},
            "No: the new model is worse",
            "worse",
        ),
        (
            {"strong": 0.66, "coverage": 1.0, "gold_only": 0.5, "zero_shot": 0.5},
            "Not shown: there is no clear difference",
            "unsure",
        ),
        ({"gold_only": 0.95}, "Yes: the new model is better than its teacher", "unsure"),
    ],
)
def test_the_first_sentence_is_the_answer(figures, first, colour):
    found = results(**figures)
    assert found["answer"][0].startswith(first)
    assert tone(found["evaluation"]) == colour


def losing(**figures):
    """A candidate that finds fewer of the positive class than its teacher, and is better all the same."""
    return results(
        strong=0.85, weak=0.65, coverage=1.0, gold_only=0.5, zero_shot=0.5, eager_teacher=True, **figures
    )


def test_a_clear_loss_of_the_positive_class_is_in_the_headline_and_takes_the_green_away():
    found = losing()
    assert found["evaluation"]["comparisons"][0]["verdict"] == "better"
    assert found["answer"][0].endswith("But it finds clearly fewer of “indemnity” than its teacher.")
    assert tone(found["evaluation"]) == "unsure"
    counts = {arm["arm"]: arm["positive"]["mean"] for arm in found["evaluation"]["arms"]}
    teacher, new = counts["weak"], counts["strong"]
    assert new["missed"] > 3 * teacher["missed"]
    words = f"Of {new['positives']:.0f} “indemnity” it misses {new['missed']:.0f}, its teacher {teacher['missed']:.0f}"
    assert found["answer"][1].startswith(words)
    said = Page(render(found)).text
    assert f"{teacher['missed']:.0f} → {new['missed']:.0f}" in said
    assert f"{teacher['falseAlarms']:.0f} → {new['falseAlarms']:.0f}" in said


def test_what_is_lost_is_told_without_a_positive_class_and_leaves_the_colour_alone():
    found = losing(positive=None)
    kinds = {kind["kind"]: kind for kind in found["evaluation"]["kinds"]}
    assert kinds["indemnity"]["verdict"] == "worse"
    assert "By class: recall fell most for “indemnity”" in found["answer"][1]
    assert "it rose most for “other”" in found["answer"][1]
    assert "partly chance" not in found["answer"][1]
    assert tone(found["evaluation"]) == "better"
    assert (
        "extremes of 12 classes, so partly chance"
        in results(**VARIANTS["twelve classes"] | {"positive": None})["answer"][1]
    )


def test_a_loss_is_no_but_where_the_answer_is_no():
    found = results(strong=0.5, weak=0.9, coverage=1.0, gold_only=0.4, zero_shot=0.3)
    assert "But" not in found["answer"][0]
    assert found["answer"][1].startswith("Of ")


def test_each_class_stands_beside_its_teacher_s():
    found = results(**VARIANTS["twelve classes"])
    page = render(found)
    arms = {arm["arm"]: arm["classes"] for arm in found["evaluation"]["arms"]}
    for teacher, new in zip(arms["weak"], arms["strong"], strict=True):
        row = page.split(f"<tr><td>{new['class']}</td><td>{new['gold']}</td>")[1].split("</tr>")[0]
        shown = [float(cell) for cell in re.findall(r"\d\.\d\d", row)]
        both = [one[name] for name in ("precision", "recall", "f1") for one in (teacher, new)]
        assert shown == [float(f"{value:.2f}") for value in both]
    assert "What it takes for what" in page
    assert page.count('class="right"') == 12


def test_many_classes_are_folded_and_the_worst_pairs_named():
    found = results(**VARIANTS["seventy-seven classes"])
    page = render(found)
    pairs = found["evaluation"]["confusion"]["pairs"]
    assert len(pairs) == 12
    assert "the 12 pairs that are confused most" in page
    assert "Precision, recall and F1 of 77 classes" in page
    assert f'<td>{pairs[0]["gold"]}</td><td class="left">{pairs[0]["decided"]}</td>' in page


def test_errors_are_looked_into_without_a_script():
    found = results()
    page = render(found)
    assert [division["by"] for division in found["evaluation"]["errors"]] == [
        "length",
        "confidence",
        "vote",
        "family",
    ]
    assert page.count("<details") == page.count("</details>") == 4
    for division in found["evaluation"]["errors"]:
        for row in division["rows"]:
            assert (
                f"<tr><td>{row['group']}</td><td>{row['n']:,}</td><td>{row['candidate'] * 100:.1f} %</td>"
                in page
            )


def test_something_simpler_that_is_better_is_said_at_once():
    found = results(gold_only=0.95)
    assert "the same model tuned on your own labels alone would be better still" in found["answer"][0]
    assert any(
        sentence.startswith("It is worse than the same model tuned on your 64 gold labels")
        for sentence in found["answer"]
    )


@pytest.mark.parametrize(
    ("strong", "says"),
    [
        (0.3, "worth fewer than 16"),
        (0.99, "worth at least 64 expert labels, as many as were at hand"),
        (0.68, "worth about"),
    ],
)
def test_worth_is_said_with_its_bounds(strong, says):
    assert any(says in sentence for sentence in results(strong=strong, gold_only=0.75)["answer"])


def test_figures_in_sentences_are_those_of_the_results():
    found = results()
    gain = found["evaluation"]["comparisons"][0]
    sentence = found["answer"][0]
    assert f"{gain['estimate'] * 100:.1f} points" in sentence
    assert f"between {gain['low'] * 100:.1f} and {gain['high'] * 100:.1f} points" in sentence


def test_texts_that_a_model_could_not_read_are_said():
    found = results()
    assert "could read nothing" not in render(found)
    found["training"]["unreadable"] = 1234
    found["labelers"][0]["unreadable"] = 5
    said = " ".join(cautions(found))
    assert "The strong model could read nothing of 1,234 texts" in said
    assert f"Labeler `{found['labelers'][0]['labeler']}` could read nothing of 5 texts" in said
    assert "texts of which the model could read nothing</td><td>1,234" in render(found)


def test_a_missing_ceiling_is_explained():
    assert "there is no ceiling" in pgr_sentence(results(ceiling=None))
    assert "of the gap" not in pgr_sentence(results(ceiling=0.3)).lower().split(":")[1]
    assert "was closed (PGR 0." in pgr_sentence(results())


def test_what_one_must_know_is_said():
    said = " ".join(cautions(results(seeds=1)))
    for words in (
        "may have seen texts of the test",
        "One seed",
        "evaluated 3 times",
        "about 7 points",
        "abstains",
        "`rules`",
    ):
        assert words in said
    assert "repeats" in imitation_sentence(results())


VARIANTS = {
    "two classes": {},
    "no positive class": {"positive": None},
    "twelve classes": {"classes": tuple(f"class {i}" for i in range(12)), "positive": "class 3", "weak": 0.5},
    "seventy-seven classes": {"classes": tuple(f"intent {i}" for i in range(77)), "positive": None},
    "one seed": {"seeds": 1},
    "no ceiling": {"ceiling": None},
    "teacher always answers": {"coverage": 1.0},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_is_one_self_contained_page(variant):
    found = results(**VARIANTS[variant])
    page = Page(render(found))
    assert page.links == []
    assert "script" not in page.tags
    assert found["answer"][0] in page.text
    assert f"{found['evaluation']['arms'][0]['metrics']['MacroF1']['estimate']:.3f}" in page.text
    assert "Undefined" not in page.text
    assert ("Misses and false alarms" in page.text) is (found["task"]["positiveClass"] is not None)


def test_every_text_is_escaped():
    hostile = '<script>alert("x")</script>'
    found = results(
        classes=(hostile, "b"),
        positive=hostile,
        excerpts={"missed": [{"text": hostile, "probability": 0.1, "label": hostile}], "falseAlarms": []},
    )
    found["task"]["instruction"] = hostile
    found["job"]["name"] = hostile
    assert "script" not in Page(render(found)).tags


def test_texts_are_shown_only_as_excerpts():
    quoted = {
        "missed": [{"text": "The Seller shall hold harmless", "probability": 0.1, "label": "indemnity"}],
        "falseAlarms": [],
    }
    assert "The Seller shall hold harmless" in render(results(excerpts=quoted))
    assert "blockquote>" not in render(results()).split("</style>")[1]


def test_rows_without_a_group_are_counted_where_there_are_some():
    found = results()
    for count, said in ((None, False), (0, False), (1234, True)):
        found["data"].pop("withoutGroup", None)
        found["data"] |= {} if count is None else {"withoutGroup": count}
        assert ("rows without a group" in (page := render(found))) is said
        assert ("1,234" in page) is said


def test_charts_are_sound_and_true():
    found = results()["evaluation"]
    svg = ElementTree.fromstring(charts.bars(found["arms"], "strong", "MacroF1"))
    text = "{http://www.w3.org/2000/svg}text"
    said = [part.text for part in svg.iter(text)]
    for arm in found["arms"]:
        assert f"{arm['metrics']['MacroF1']['estimate']:.3f}" in said
    width = {
        arm["arm"]: float(bar.get("width"))
        for arm, bar in zip(found["arms"], svg.iter("{http://www.w3.org/2000/svg}rect"), strict=True)
    }
    values = {arm["arm"]: arm["metrics"]["MacroF1"]["estimate"] for arm in found["arms"]}
    assert sorted(width, key=width.__getitem__) == sorted(values, key=values.__getitem__)
    strong = next(arm for arm in found["arms"] if arm["arm"] == "strong")
    for chart in (
        charts.curve(found["goldOnlyCurve"], strong, "MacroF1"),
        charts.calibration(strong["calibration"]),
        charts.shares({"a<b": 3, "c": 4}, {"a<b": 2, "c": 1}),
    ):
        ElementTree.fromstring(chart)


def test_the_terminal_says_the_same_as_the_report():
    found = results(gold_only=0.95)
    said = table(found, "s3://bucket/model/")
    assert found["answer"][0] in said
    assert "Not published:" in said
    assert re.search(r"strong − gold-only\s+-0\.\d+", said)
    assert "Published: s3://bucket/model/" in table(results(), "s3://bucket/model/")


def test_answers_need_no_answer():
    found = results()
    del found["answer"]
    assert answers(found)


def test_the_ways_to_ask_that_the_seeds_took_are_told():
    found = results()
    tried = ["no shots", "4 drawn shots", "4 nearest shots"]
    found["labelers"][0]["strategy"] = {
        "0": {"tried": tried, "chosen": 2, "texts": 60, "heldOutLogLoss": [0.7, 0.6, 0.5]},
        "1": {"tried": tried, "chosen": 2, "texts": 60, "heldOutLogLoss": [0.8, 0.7, 0.6]},
        "2": {"tried": tried, "chosen": 0, "texts": 9, "heldOutLogLoss": []},
    }
    assert (
        "Of 3 ways to ask `rules`, the seeds took no shots (1 of 3), 4 nearest shots (2 of 3), by their log loss out of"
        " fold on the gold budget (no shots 0.750, 4 drawn shots 0.650, 4 nearest shots 0.550)."
    ) in cautions(found)
    for choice in found["labelers"][0]["strategy"].values():
        choice |= {"chosen": 0, "heldOutLogLoss": []}
    assert (
        "Of 3 ways to ask `rules`, the seeds took no shots (3 of 3): the gold budget is too small to choose on."
        in cautions(found)
    )


def test_rules_that_never_vote_are_named():
    found = results()
    votes = {"texts": 50, "rules": [20, 0, 7, 0], "classes": {"free": 27, "restricted": 0}}
    found["labelers"][0]["votes"] = {"-1": votes}
    said = cautions(found)
    assert "Of the rules of `rules`, 2 never vote: rules[1], rules[3]." in said
    assert "No rule of `rules` ever votes for class 'restricted'." in said
    votes |= {"rules": [20, 3], "classes": {"free": 23, "restricted": 1}}
    assert not any("vote for" in line or "never" in line for line in cautions(found))
