"""The report of texts that were written: what they are like, and that none of them can do anything to the page."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from fixtures import results

from w2s_api.arms import ARMS
from w2s_api.spec.task import Task
from w2s_trainer.families.generation import Generation
from w2s_trainer.families.generation.errors import shape
from w2s_trainer.families.generation.texts import texts_of
from w2s_trainer.families.gold_test import ArmAnswers, GoldTest
from w2s_trainer.report import render as page
from w2s_trainer.report.advice import advice
from w2s_trainer.report.answers import answers
from w2s_trainer.report.pages import environment, visible
from w2s_trainer.stages.evaluate.compare import Arms, compare, notes
from w2s_trainer.stages.evaluate.error_groups import error_groups
from w2s_trainer.stages.evaluate.gate import apply_gate

TASK = Task.model_validate({"type": "Generation", "instruction": "Which licence?", "generation": {}})
SCRIPT = "<script>alert('licence')</script>"
SGR = "\x1b[31mred\x1b[0m \u202ekcab"
HANDLER = '"><img src=x onerror=alert(1)> &amp; </td>'
LOOP = "the licence of " * 8
EVIL = {"script": SCRIPT, "control": SGR, "attribute": HANDLER}
N = 40


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def said(*by_seed: list[str]) -> ArmAnswers:
    values = np.stack([texts_of(texts) for texts in by_seed])
    return ArmAnswers(values, values == "")


def cut_off(arm: ArmAnswers, every: int) -> ArmAnswers:
    """The same, of which each so manieth text is cut off."""
    return replace(arm, cut_off=np.arange(arm.values.size).reshape(arm.values.shape) % every == 0)


def texts_results(evil: str = "isc", quoted: bool = True) -> dict:
    """Results of a job that writes: the teacher is wrong on every other text, and the student repeats every second error."""
    family = Generation(TASK)
    gold = [f"gpl-{row}.0" for row in range(N)]
    weak = [text if row % 2 else f"mit {row}" for row, text in enumerate(gold)]
    strong = [text if row % 4 else (weak[row] if row % 8 else evil) for row, text in enumerate(gold)]
    untuned = [LOOP if row % 4 == 1 else weak[row] if row % 20 == 0 else "" for row in range(N)]
    arms = {"weak": said(weak), "strong": cut_off(said(strong), 8), "zero-shot": cut_off(said(untuned), 10)}
    test = GoldTest(texts_of(gold), np.arange(N), "ExactMatch", family)
    evaluation = compare(test, Arms(arms, {}, {"strong": 400}), ARMS["strong"], np.random.default_rng(0))
    evaluation["errors"] = error_groups(test, np.arange(N) + 20, arms["weak"], arms["strong"])
    evaluation["evaluations"] = 1
    evaluation["notes"] = notes(evaluation, False, 1, [])
    evaluation["notComputed"] = []
    found = results()
    counts = {"texts": 1000, "cutOff": 7, "empty": 2, "tokens": 9}
    asked = {
        "labeler": "asked",
        "type": "Prompted",
        "calibrated": False,
        "written": {"0": counts, "1": counts},
    }
    found["labelers"] = [asked]
    found |= {
        "task": TASK.model_dump(mode="json", by_alias=True),
        "evaluation": evaluation,
        "aggregation": {"covered": 0.9, "differentTexts": 30, "meanCharacters": 7.0},
        "selection": {
            "steps": [
                {
                    "type": "Shape",
                    "before": 1400,
                    "after": 190,
                    "classesBefore": {},
                    "classesAfter": {},
                    "figures": {"dropped": {"loops": 1200, "repeated": 10, "short": 0, "long": 0}},
                },
                {
                    "type": "Refinement",
                    "before": 190,
                    "after": 187,
                    "classesBefore": {},
                    "classesAfter": {},
                    "figures": {
                        "edited": 41,
                        "edits": [{"type": "Remove", "texts": 38}, {"type": "Cut", "texts": 0}],
                        "dropped": {"emptied": 3},
                    },
                },
            ],
            "kept": 187,
            "warnings": [],
            **(
                {"refined": [{"operation": "Remove", "before": f"mit {evil}", "after": "mit"}]}
                if quoted
                else {}
            ),
        },
        "promotion": {"metric": "ExactMatch", "mustBeat": ["Weak"], "minLowerBound": "0"},
        "decision": apply_gate(evaluation, ["Weak"], 0.0).to_json(),
        "excerpts": family.excerpts(test, texts_of(weak), texts_of(strong), lambda _item: f"about {evil}")
        if quoted
        else None,
    }
    found["answer"] = answers(found)
    found["advice"] = advice(found)
    return found


def rendered(found: dict) -> str:
    return page.render(found, Generation(TASK).report_parts(found))


@pytest.fixture(scope="module")
def harmless() -> Page:
    return Page(rendered(texts_results()))


@pytest.mark.parametrize("evil", EVIL.values(), ids=list(EVIL))
def test_no_text_adds_a_tag_an_attribute_or_a_control_character(evil, harmless):
    html = rendered(texts_results(evil))
    found = Page(html)
    marks = [tag for tag in found.tags if tag[0] == "mark"]
    assert [tag for tag in found.tags if tag[0] != "mark"] == [
        tag for tag in harmless.tags if tag[0] != "mark"
    ]
    assert all(attributes == {} for _, attributes in marks)
    assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", html) is None
    shown = re.sub(r"\s+", " ", found.text)
    assert visible(evil) in shown, "it is shown as it was written"
    assert f"about {visible(evil)}" in shown


def test_what_cannot_be_seen_is_written_out():
    assert visible("a\tb\nc é 许可") == "a\tb\nc é 许可"
    assert visible("\x1b[0m\x00\x7f\x9b\u202e\u2066\ud83d") == r"\x1b[0m\x00\x7f\x9b\u202e\u2066\ud83d"
    template = environment("w2s_trainer.report").from_string("{{ text }} {{ text | code }}")
    assert template.render(text="`<\x1b>`") == r"`&lt;\x1b&gt;` <code>&lt;\x1b&gt;</code>"


def test_the_filter_needs_no_network_and_finds_its_rows(harmless):
    """All that it does stands in the page: it hides the rows of the one table in which the words are not found."""
    (field,) = [attributes for tag, attributes in harmless.tags if tag == "input"]
    selector = re.search(r"querySelectorAll\('#(\w+) tr\.(\w+)'\)", field["oninput"])
    table, row = selector.groups()
    assert [one.get("id") for tag, one in harmless.tags if tag == "table"].count(table) == 1
    pairs = [one for tag, one in harmless.tags if tag == "tr" and one.get("class") == row]
    assert len(pairs) == len(texts_results()["excerpts"]["pairs"]) == N // 4
    links = [
        value
        for _, attributes in harmless.tags
        for name, value in attributes.items()
        if name in ("src", "href", "action", "data", "srcset") and not (value or "").startswith("#")
    ]
    assert links == []
    assert {tag for tag, _ in harmless.tags}.isdisjoint({"script", "iframe", "link", "img"})
    assert not re.search(r"fetch|XMLHttp|import|eval|innerHTML", field["oninput"])


def judge_of(evidence: bool, agreement: bool = True) -> dict:
    share = {"estimate": 0.8, "low": 0.6, "high": 0.9}
    return {
        "model": "py://judge",
        "question": f"Which is {SCRIPT}?",
        "margin": 0.0,
        "chat": True,
        "pairs": [
            {
                "arm": "strong",
                "baseline": "weak",
                "items": 300,
                "families": 200,
                "equal": 100,
                "otherAnswers": 7,
                "wins": 0.41,
                "ties": 0.4,
                "losses": 0.19,
                "difference": {"estimate": 0.22, "low": -0.05, "high": 0.49},
                "position": {"first": 0.31, "second": 0.02},
                "gold": {
                    "differ": 150,
                    "decided": 90 if agreement else 0,
                    "agreement": share if agreement else None,
                    "isEvidence": evidence,
                },
            }
        ],
    }


@pytest.mark.parametrize(
    ("judge", "said", "unsaid"),
    [
        (judge_of(True), "preferred the nearer one in 80% [60% to 90%]", "no evidence"),
        (
            judge_of(False),
            "not known to prefer what experts write, and its verdict is no evidence",
            "nothing",
        ),
        (judge_of(False, agreement=False), "what it is worth is not known", "a coin"),
    ],
)
def test_what_a_judge_prefers_stands_beside_what_it_is_worth(judge, said, unsaid):
    found = texts_results()
    before = rendered(found)
    found["evaluation"]["judge"] = judge
    html = rendered(found)
    text = re.sub(r"\s+", " ", Page(html).text)
    section = text[text.index("Which text a model prefers") : text.index("Side by side")]
    assert said in section
    assert unsaid not in section
    assert "41 %" in section
    assert "+0.220" in section
    assert "shown first, whichever it was, in 31% of what it was asked, and the second in 2%" in section
    assert "On 7 texts it would rather have said something else" in section
    assert SCRIPT not in html
    assert page.tone(found["evaluation"]) == page.tone(texts_results()["evaluation"])
    assert "Which text a model prefers" not in before


def test_no_text_is_quoted_unless_excerpts_are_allowed():
    html = rendered(texts_results(evil="secretlicence", quoted=False))
    assert "secretlicence" not in html
    assert "Side by side" not in html
    assert 'id="refined"' not in html
    assert "end in a loop" in html


def test_the_shape_of_texts_by_hand():
    test = GoldTest(texts_of(["abcd", "abcd"]), np.arange(2), "ExactMatch", Generation(TASK))
    # seed 0: nothing, and a loop of 24 words: 21 runs, 3 different; seed 1: 2 of 4 characters; 8 words, 5 runs, one again
    found = shape(test, said(["", LOOP], ["ab", "a b c d a b c d"]))
    lengths = (len(LOOP) / 4 + 2 / 4 + 15 / 4) / 3
    assert found == {
        "empty": 0.25,
        "cutOff": None,
        "lengthRatio": pytest.approx(lengths, abs=1e-4),
        "repetition": pytest.approx((18 / 21 + 0 + 1 / 5) / 3, abs=1e-6),
        "loops": pytest.approx(1 / 3, abs=1e-6),
    }
    assert shape(test, said(["", ""])) == {
        "empty": 1.0,
        "cutOff": None,
        "lengthRatio": 0.0,
        "repetition": 0.0,
        "loops": 0.0,
    }
    assert shape(test, cut_off(said(["a", "b"], ["a", "b"]), 3))["cutOff"] == 0.5


def test_what_the_texts_are_like_stands_beside_the_model_as_it_came(harmless):
    """5 of 40 texts of the student are cut off, 4 of 40 of the model as it came; of its texts 28 are empty, 10 of 12 loops."""
    shown = re.sub(r"\s+", " ", harmless.text)
    assert "strong1.1012.5% (+2.5)0.0% (−70.0)0.0%" in re.sub(r"strong\d\.\d\d", "strong1.10", shown)
    assert "10.0%70.0%" in shown
    assert re.search(r"weak\d\.\d\d–0.0%", shown)
    assert "asked: 2,000 texts written, over all seeds and samples. 14 were cut off and 4 are empty" in shown


def test_results_from_before_rates_were_counted_are_rendered_still():
    found = texts_results()
    for arm in found["evaluation"]["arms"]:
        arm.pop("cutOff")
    for pair in found["excerpts"]["pairs"]:
        pair.pop("alsoGold")
    assert "cut off" in rendered(found)


def test_imitation_and_repetition_stand_beside_the_model_as_it_came(harmless):
    """Of 20 errors of the teacher the student repeats 5; as it came, the model makes 2 of them, and 10 of 12 texts are loops."""
    evaluation = texts_results()["evaluation"]
    assert evaluation["imitation"]["agreesWhereWeakIsWrong"] == 0.25
    assert evaluation["untunedImitation"]["agreesWhereWeakIsWrong"] == 0.1
    assert "it repeats 25% of the errors." in harmless.text
    assert "As it came, having seen no weak label, it makes 10% of them by itself." in harmless.text
    assert "Of the texts of the new model 0.0% end in a loop" in harmless.text
    assert f"as it came, before it was tuned, {10 / 12:.1%}" in harmless.text


def test_what_the_selection_dropped_and_why(harmless):
    shown = re.sub(r"\s+", " ", harmless.text)
    assert "Shape1,400190endless repetition (1,200), repetition (10)" in shown
    assert "Refinement190187nothing left after edits (3)" in shown
    assert "41 texts were edited: Remove 38." in shown
    assert re.search(r"Remove\s*mit isc\s*mit\s", shown), "before and after, side by side"
    none = texts_results()
    none["selection"] = {"steps": [], "kept": 1400, "warnings": []}
    assert "No selection: every text with a weak label was kept." in rendered(none)
