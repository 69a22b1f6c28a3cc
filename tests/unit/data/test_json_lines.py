"""JSON lines: a document of many lines is named as one, and no field is taken from two."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from data_kit import read, texts, unusable

from w2s_trainer.data.row import Row, Unusable
from w2s_trainer.data.values import Unfit, text_of
from w2s_trainer.errors import BadData

ROWS = [{"text": f"text {number}"} for number in range(3)]
DOCUMENTS = {
    "indented array": json.dumps(ROWS, indent=1),
    "array in one line": json.dumps(ROWS),
    "a row a line": "[\n" + ",\n".join(map(json.dumps, ROWS)) + "\n]",
    "array after blank lines and a mark": "\ufeff\n \n" + json.dumps(ROWS),
    "array that breaks off": json.dumps(ROWS)[:-9],
    "indented object": json.dumps({"rows": ROWS}, indent=2),
    "indented objects": "\n".join(json.dumps(row, indent=2) for row in ROWS),
}


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
@pytest.mark.parametrize("case", DOCUMENTS)
def test_a_document_of_many_lines_is_named(tmp_path: Path, case: str, name: str) -> None:
    content = DOCUMENTS[case].encode()
    with pytest.raises(BadData) as caught:
        read(tmp_path / name, gzip.compress(content) if name.endswith(".gz") else content)
    assert caught.value.reason == "NotJSONLines"
    assert ("array" if "arra" in case or "a row" in case else "object") in str(caught.value)
    assert "jq -c" in caught.value.hint


KINDS = [
    ("[1, 2]", "a list"),
    ('"a"', "a string"),
    ("5", "a number"),
    ("true", "true or false"),
    ("[]", "a list"),
]


@pytest.mark.parametrize(("line", "kind"), KINDS)
def test_a_line_that_is_no_object_is_said_to_be_what_it_is(tmp_path: Path, line: str, kind: str) -> None:
    content = f'{line}\n{{"text": "a"}}\n'.encode()
    rows = read(tmp_path / "rows.jsonl", content)
    assert [kind in row.reason for row in unusable(rows)] == [True]
    assert texts(rows) == ["a"]


def text(row: Row | Unusable) -> str:
    assert isinstance(row, Row)
    return text_of(row, "text")


UNFIT: dict[str, tuple[str, str]] = {
    "twice": ('{"text": "a", "id": 1, "text": "b"}', "`text` is given more than once"),
    "twice the same": ('{"text": "a", "text": "a"}', "more than once"),
    "null": ('{"text": null}', "no `text`: it is null"),
    "NaN": ('{"text": NaN}', "no `text`: it is NaN"),
    "absent": ('{"txt": "a"}', "no `text`"),
    "number": ('{"text": 5}', "not a string but a number"),
    "list": ('{"text": ["a"]}', "not a string but a list"),
    "object": ('{"text": {"de": "a"}}', "not a string but an object"),
    "boolean": ('{"text": true}', "not a string but true or false"),
    "empty": ('{"text": ""}', "is empty"),
    "white space": ('{"text": " \\n\\u00a0\\u2003"}', "is empty"),
    "invisible": ('{"text": "\\u200b\\ufeff"}', "is empty"),
    "half a pair": ('{"text": "a\\ud83d"}', "half a surrogate pair"),
    "other half": ('{"text": "\\ude00a"}', "half a surrogate pair"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_is_no_text_is_said_to_be_what_it_is(tmp_path: Path, case: str) -> None:
    line, reason = UNFIT[case]
    (row,) = read(tmp_path / "rows.jsonl", line.encode())
    with pytest.raises(Unfit, match=reason):
        text(row)


@pytest.mark.parametrize(
    "line",
    [
        '{"text": "a", "meta": {"x": 1, "x": 2}}',
        '{"text": "a", "note": 1, "note": 2}',
        '{"text": "a", "n": [1.0, NaN]}',
    ],
)
def test_what_is_not_read_may_be_anything(tmp_path: Path, line: str) -> None:
    (row,) = read(tmp_path / "rows.jsonl", line.encode())
    assert text(row) == "a"


OTHER_CONTENT: dict[str, tuple[str, bytes, str, str]] = {
    "UTF-16 with a mark": ("r.jsonl", '{"text": "a"}\n'.encode("utf-16"), "NotUTF8", "UTF-16"),
    "UTF-16, big end first": ("r.csv", "\ufefftext\na\n".encode("utf-16-be"), "NotUTF8", "UTF-16"),
    "UTF-16 without a mark": ("r.csv", "text\na\n".encode("utf-16-le"), "NotUTF8", "UTF-16"),
    "UTF-32": ("r.csv", "text\na\n".encode("utf-32"), "NotUTF8", "UTF-32"),
    "UTF-16 in gzip": ("r.jsonl.gz", gzip.compress("{}\n".encode("utf-16")), "NotUTF8", "UTF-16"),
    "gzip": ("r.csv", gzip.compress(b"text\na\n"), "CorruptFile", "gzip"),
    "Parquet": ("r.jsonl", b"PAR1....PAR1", "CorruptFile", "Parquet"),
    "a spreadsheet": ("r.csv", b"PK\x03\x04....", "CorruptFile", "zip archive"),
    "a pointer of Git LFS": ("r.parquet", b"version https://git-lfs.github.com/spec/v1\n", "CorruptFile", "git lfs pull"),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHER_CONTENT)
def test_content_of_another_kind_is_named(tmp_path: Path, case: str) -> None:
    name, content, reason, naming = OTHER_CONTENT[case]
    with pytest.raises(BadData) as caught:
        read(tmp_path / name, content)
    assert caught.value.reason == reason
    assert naming in str(caught.value)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_utf8_with_a_mark_is_utf8(tmp_path: Path, name: str) -> None:
    content: Any = {"rows.jsonl": '{"text": "ä"}\n', "rows.csv": "text\nä\n"}[name]
    assert texts(read(tmp_path / name, ("\ufeff" + content).encode())) == ["ä"]


def test_lines_of_files_that_were_joined_are_all_read(tmp_path: Path) -> None:
    content = '\ufeff{"text": "a"}\n\ufeff{"text": "b"}\n'
    assert texts(read(tmp_path / "rows.jsonl", content.encode())) == ["a", "b"]
