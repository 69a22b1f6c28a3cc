import json
from collections.abc import Callable
from typing import Any

import pytest

from w2s_trainer.store.manifest import Entry, Manifest, content_digest, join_shards

MANIFEST = Manifest(
    stage="label",
    key="k1",
    attempt="a1",
    summary={"rows": 3, "text": "für"},
    provenance={"seed": 1},
    files={"x/part-0.parquet": Entry("a1", 5, "0" * 64)},
)


@pytest.mark.parametrize("shard", [None, (1, 4)])
def test_a_manifest_comes_back_as_it_was(shard: tuple[int, int] | None) -> None:
    manifest = Manifest(**{**vars(MANIFEST), "shard": shard})
    assert Manifest.decode(manifest.encode()) == manifest


def test_encoding_is_canonical_and_readable() -> None:
    reordered = Manifest(**{**vars(MANIFEST), "summary": {"text": "für", "rows": 3}})
    assert reordered.encode() == MANIFEST.encode()
    assert "für" in MANIFEST.encode().decode()


def test_figures_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        Manifest(**{**vars(MANIFEST), "summary": {"loss": float("nan")}}).encode()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("files"),
        lambda d: d.update(format=2),
        lambda d: d.update(files=[]),
        lambda d: d.update(files={"../../etc/passwd": d["files"]["x/part-0.parquet"]}),
        lambda d: d.update(files={"/etc/passwd": d["files"]["x/part-0.parquet"]}),
        lambda d: d["files"]["x/part-0.parquet"].update(attempt="../other"),
        lambda d: d["files"]["x/part-0.parquet"].update(size="many"),
        lambda d: d["files"]["x/part-0.parquet"].update(sha256="abc"),
        lambda d: d.update(stage="a/b"),
        lambda d: d.update(shard=[1]),
        lambda d: d.update(summary=3),
    ],
)
def test_what_is_no_manifest_is_refused(spoil: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(MANIFEST.encode())
    spoil(document)
    with pytest.raises(ValueError):  # noqa: PT011  any wording
        Manifest.decode(json.dumps(document).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", MANIFEST.encode()[:-5]])
def test_half_a_document_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  any wording
        Manifest.decode(data)


def test_shards_join_in_order_and_do_not_overwrite_each_other() -> None:
    other = Manifest(**{**vars(MANIFEST), "attempt": "a2", "files": {"y": Entry("a2", 1, "1" * 64)}})
    whole = join_shards([MANIFEST, other], "a3")
    assert whole.files == {**MANIFEST.files, **other.files}
    assert whole.summary == {"shards": [MANIFEST.summary, other.summary]}
    with pytest.raises(ValueError, match="two shards of label wrote x/part-0"):
        join_shards([MANIFEST, MANIFEST], "a3")


def test_the_digest_ignores_order() -> None:
    files = [("b", 2, "s"), ("a", 1, "t")]
    assert content_digest(files) == content_digest(reversed(files))
    assert content_digest(files) != content_digest(files[:1])
