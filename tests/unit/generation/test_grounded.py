"""Numbers, names and quotations of a text that stand in its source."""

import pytest

from w2s_trainer.families.generation.grounded import grounding

SOURCE = (
    "The Free Software Foundation published version 2 of the GNU General Public License in June 1991. "
    'Linus Torvalds chose it for Linux: "it is a good licence", he said. It has 1,000 readers and 3.50 pages.'
)


@pytest.mark.parametrize(
    ("text", "found", "missing"),
    [
        pytest.param("It was chosen by Linus Torvalds.", 1, [], id="a name"),
        pytest.param("It was chosen by Richard Stallman.", 0, ["Richard Stallman"], id="a strange name"),
        pytest.param("Perhaps. Nobody knows.", 0, [], id="what begins a sentence is no name"),
        pytest.param("- Perhaps\n- Nobody", 0, [], id="nor what begins a line"),
        pytest.param("GNU is older. BSD too.", 1, ["BSD"], id="unless it has two capitals"),
        pytest.param("LINUX and linux, and LiNuX", 2, [], id="names in any case"),
        pytest.param("He chose Lin", 0, ["Lin"], id="whole words"),
        pytest.param("In 1991, not in 1992", 1, ["1992"], id="numbers"),
        pytest.param("version 2.0, 3.5 pages, 1000 readers", 3, [], id="numbers by their value"),
        pytest.param("about 91 and 19", 0, ["91", "19"], id="whole numbers"),
        pytest.param("version 1.2.3 of 06/1991", 0, ["1.2.3", "06/1991"], id="what is no single number"),
        pytest.param("he called it “a GOOD licence”", 2, [], id="a quotation, and a name in it"),
        pytest.param("he said «a bad licence»", 0, ["a bad licence"], id="no quotation"),
        pytest.param("1992, 1992 and 1992", 0, ["1992"], id="once"),
        pytest.param("", 0, [], id="nothing"),
    ],
)
def test_what_stands_in_the_source(text, found, missing):
    result = grounding(text, SOURCE)
    assert (result.found, list(result.missing)) == (found, missing)


def test_the_share_of_what_was_found():
    assert grounding("in 1991 and 1992", SOURCE).share == 0.5
    assert grounding("nothing to look for", SOURCE).share == 1.0


def test_other_scripts():
    assert grounding("он выбрал Линукс в 1991", "Линус выбрал линукс в 1991 году").missing == ()
    assert grounding("他说「好许可」和「坏」", "这是好许可证").missing == ("坏",)
    assert grounding("عام ١٩٩١", "in 1991").missing == ()
