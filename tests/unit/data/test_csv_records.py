"""CSV: no row is swallowed by a quote, and what is broken is counted by its lines."""

import csv
import io
import random
from pathlib import Path

import pytest
from data_kit import read, texts, unusable

from w2s_trainer.data.row import Row
from w2s_trainer.errors import BadData

LINES = [f"{number},text {number},pos" for number in range(1, 21)]
HEADER = "id,text,label"


def table(lines: list[str], end: str = "\n", header: str = HEADER) -> bytes:
    return end.join([header, *lines, ""]).encode()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("place", [0, 9, 19])
def test_a_quote_that_is_never_closed_ends_the_file_with_the_line_where_it_began(
    tmp_path: Path, place: int, end: str
) -> None:
    lines = [*LINES]
    lines[place] = lines[place].replace("text", '"text')
    with pytest.raises(BadData) as caught:
        read(tmp_path / "rows.csv", table(lines, end))
    assert caught.value.reason == "TruncatedFile"
    assert f"row {place + 1} (line {place + 2}) is never closed" in str(caught.value)


STRAY = {
    "closed by the next quoted field": ('4,"text 4,pos', '12,"text 12",pos'),
    "closed by a quote within a field": ('4,"text 4,pos', '12,text 12" wide,pos'),
    "closed at the end of a field": ('4,"text 4,pos', '12,text 12",pos'),
    "in the first column": ('"4,text 4,pos', '12",text 12,pos'),
    "in the last column": ('4,text 4,"pos', '12,text 12,pos"'),
    "all fields quoted": ('"4","text 4,"pos"', '"12","text 12","pos"'),
}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("case", STRAY)
def test_rows_between_two_stray_quotes_are_counted_by_line(tmp_path: Path, case: str, end: str) -> None:
    lines = [*LINES]
    lines[3], lines[11] = STRAY[case]
    rows = read(tmp_path / "rows.csv", table(lines, end))
    bad = unusable(rows)
    assert sum(row.lines for row in bad) + len(texts(rows)) == len(LINES)
    assert bad[0].line == 5
    assert bad[0].number == 4
    assert texts(rows)[:3] == ["text 1", "text 2", "text 3"]
    assert texts(rows)[-8:] == [f"text {number}" for number in range(13, 21)]


def test_the_lines_of_a_broken_record_are_in_its_explanation(tmp_path: Path) -> None:
    lines = [*LINES]
    lines[3], lines[11] = STRAY["closed at the end of a field"]
    (bad,) = unusable(read(tmp_path / "rows.csv", table(lines)))
    assert "(lines 5 to 13)" in bad.explanation
    assert "a quote is missing" in bad.explanation


TEXTS_OF_LINES = {
    "a letter": "Dear Sir,\nI am, as ever,\nyours",
    "an address": "Berlin, Germany\nParis, France\nRome, Italy",
    "a table": "a,b,c\nd,e,f\ng,h,i",
    "lines with CRLF": "one\r\ntwo\r\nthree",
    "a quote inside": 'she said ""no""\nand left',
}


@pytest.mark.parametrize("case", TEXTS_OF_LINES)
@pytest.mark.parametrize("columns", [("id", "text", "label"), ("text", "label"), ("id", "text"), ("text",)])
def test_a_text_of_several_lines_is_a_text(tmp_path: Path, case: str, columns: tuple[str, ...]) -> None:
    fields = {"id": "7", "text": f'"{TEXTS_OF_LINES[case]}"', "label": "pos"}
    record = ",".join(fields[name] for name in columns)
    content = table([record, record], header=",".join(columns))
    assert texts(read(tmp_path / "rows.csv", content)) == [TEXTS_OF_LINES[case].replace('""', '"')] * 2


def test_rows_of_other_lengths_are_named_with_their_line(tmp_path: Path) -> None:
    lines = ['1,"a text\nof two lines",pos', "2,short", "", "3,too,long,pos", "4,text,pos"]
    rows = read(tmp_path / "rows.csv", table(lines))
    assert [(row.number, row.line, row.reason) for row in unusable(rows)] == [
        (2, 4, "2 fields where the header has 3"),
        (3, 6, "4 fields where the header has 3"),
    ]
    assert [row.number for row in rows if isinstance(row, Row)] == [1, 4]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_header_of_a_file_that_was_appended_is_no_row(tmp_path: Path, mark: str) -> None:
    rows = read(tmp_path / "rows.csv", table([*LINES[:2], mark + HEADER, *LINES[2:]]))
    assert [(row.number, row.line) for row in unusable(rows)] == [(3, 4)]
    assert len(texts(rows)) == len(LINES)


@pytest.mark.parametrize("header", ["text,id,text", "id,id,text"])
def test_a_wanted_field_must_be_one_column(tmp_path: Path, header: str) -> None:
    with pytest.raises(BadData, match="2 columns are called") as caught:
        read(tmp_path / "rows.csv", table(["a,b,c"], header=header))
    assert caught.value.reason == "BadHeader"


@pytest.mark.parametrize("header", ["text,,", "text,note,note"])
def test_other_columns_may_share_a_name(tmp_path: Path, header: str) -> None:
    assert texts(read(tmp_path / "rows.csv", table(["a,b,c"], header=header))) == ["a"]


def test_a_field_without_end_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = csv.field_size_limit(50)
    try:
        lines = [*LINES]
        lines[3] = '4,"text 4,pos'
        rows = read(tmp_path / "rows.csv", table(lines))
    finally:
        csv.field_size_limit(before)
    assert sum(row.lines for row in unusable(rows)) + len(texts(rows)) == len(LINES)
    assert texts(rows)[-1] == "text 20"


def test_with_quotes_in_random_places_every_line_is_read_or_counted(tmp_path: Path) -> None:
    """And a row that is read is one of those that were written, but for those where a quote was put."""
    chance, refused = random.Random(14), 0
    for _ in range(300):
        columns = chance.choice([["id", "text"], ["text", "label"], ["id", "text", "label"]])
        rows = [
            {
                "id": number,
                "text": f"text{chance.choice([',', ''])} {number}",
                "label": chance.choice(["a", "b"]),
            }
            for number in range(30)
        ]
        stream = io.StringIO()
        quoting = chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
        writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n", quoting=quoting)
        writer.writerows(rows)
        lines = stream.getvalue().splitlines()
        places = chance.sample(range(30), chance.choice([1, 2, 2]))
        for place in places:
            cut = chance.randrange(len(lines[place]) + 1)
            lines[place] = f'{lines[place][:cut]}"{lines[place][cut:]}'
        try:
            found = read(tmp_path / "rows.csv", table(lines, header=",".join(columns)))
        except BadData:  # a quote is open at the end
            refused += 1
            continue
        assert len(texts(found)) + sum(row.lines for row in unusable(found)) == 30, lines
        assert len(set(texts(found)) - {row["text"] for row in rows}) <= len(places), lines
    assert refused < 100


ONE_COLUMN = [f"some words of text {number}" for number in range(30)]


def test_rows_of_one_column_that_two_stray_quotes_join_are_counted_by_line(tmp_path: Path) -> None:
    lines = [*ONE_COLUMN]
    lines[5], lines[20] = f'"{lines[5]}', f'{lines[20]}"'
    rows = read(tmp_path / "rows.csv", table(lines, header="text"))
    assert [(row.line, row.lines) for row in unusable(rows)] == [(7, 16)]
    assert len(texts(rows)) == 30 - 16


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(["Dear Sir,", "", *ONE_COLUMN[:12], "yours"]),  # a letter: its lines are not all alike
        "\n".join(ONE_COLUMN[:3]),
    ],
)
@pytest.mark.parametrize("before", [[], ["a text\nof two lines"], ONE_COLUMN])
def test_a_long_text_of_one_column_is_a_text(tmp_path: Path, text: str, before: list[str]) -> None:
    lines = [f'"{row}"' for row in [*before, text]]
    rows = read(tmp_path / "rows.csv", table(lines, header="text"))
    assert texts(rows) == [*before, text]
    assert [row.lines for row in rows][-1] == text.count("\n") + 1


def test_once_texts_have_had_several_lines_a_text_of_rows_is_a_text(tmp_path: Path) -> None:
    long = "\n".join(ONE_COLUMN)
    lines = [*ONE_COLUMN, '"a text\nof two lines"', f'"{long}"']
    assert texts(read(tmp_path / "rows.csv", table(lines, header="text")))[-1] == long


@pytest.mark.parametrize(
    ("header", "name"), [("id;text", "semicolons"), ("id\ttext", "tabs"), ("id|text", "vertical bars")]
)
def test_columns_that_are_not_divided_by_commas_are_refused(tmp_path: Path, header: str, name: str) -> None:
    with pytest.raises(BadData, match=f"divided by {name}") as caught:
        read(tmp_path / "rows.csv", table(["1;a"], header=header))
    assert caught.value.reason == "BadHeader"


def test_a_field_may_have_a_separator_in_its_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    assert len(read(path, table(["a"], header="text;raw"), columns=("text;raw",))) == 1
