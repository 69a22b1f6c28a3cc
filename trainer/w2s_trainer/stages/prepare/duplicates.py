"""Near-duplicates: texts whose sets of word shingles have a Jaccard similarity of at least a threshold.

Candidates come from MinHash signatures cut into bands (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of
Massive Datasets, chapter 3) and each is verified on the shingle sets themselves, so that no pair is joined by
chance. A pair exactly at the threshold is missed with a probability of at most MISS.
"""

import hashlib
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import NDArray

from w2s_trainer.data.normal_form import normalised

PERMUTATIONS = 256
MISS = 0.001
"""The probability that a pair exactly at the threshold is not found."""

_SEED = 1
_SLACK = 5.0
"""Standard deviations by which a signature may understate the similarity before a pair is passed over."""
_WORD = re.compile(r"\w+")
_KNOWN_WORDS = 250_000
"""Words whose hashes are held; a word takes about 200 bytes."""
_BATCH = 1024
"""Signatures that are held in full."""
_MASK = 2**64 - 1
_MARKS = 2**22

Shingles = NDArray[np.uint64]


def near_duplicates(
    texts: Sequence[str],
    similarity: float,
    shingle_words: int,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> NDArray[np.int64]:
    """Joins near-duplicates, and what near-duplicates join.

    Args:
        texts: N distinct texts.
        similarity: the Jaccard similarity from which on two texts are joined, in (0, 1].
        shingle_words: words in a shingle. A shorter text is one shingle as a whole.
        progress: told (texts done, N).

    Returns:
        int64[N], the component of each text: the index of one of its texts.
    """
    shingler = Shingler(shingle_words)
    bands = _Bands(len(texts), band_rows(similarity))
    pairing = _Pairing(texts, shingler, similarity, _sign(texts, shingler, bands, progress), bands)
    joined = _Components(len(texts))
    for bucket in bands.buckets():
        if (joined.component[bucket] == joined.component[bucket[0]]).all():
            continue
        for place, index in enumerate(bucket[:-1].tolist()):
            candidates = bucket[place + 1 :]
            candidates = candidates[joined.component[candidates] != joined.component[index]]
            for candidate in pairing.likely(index, candidates).tolist() if candidates.size else ():
                if joined.component[index] != joined.component[candidate] and pairing.alike(index, candidate):
                    joined.join(index, candidate)
    return joined.component


def jaccard(left: Shingles, right: Shingles) -> float:
    """Divides the size of two sets' intersection by that of their union; both sorted, without repetition."""
    common = np.intersect1d(left, right, assume_unique=True).size
    return float(common / (left.size + right.size - common))


def band_rows(similarity: float) -> int:
    """The most rows per band with which a pair at the threshold still meets in a band (but for MISS)."""
    for rows in range(32, 1, -1):
        bands = PERMUTATIONS // rows
        if (1 - similarity**rows) ** bands <= MISS:
            return rows
    return 1


class Shingler:
    """Makes the set of word shingles of a text as 64-bit hashes.

    Words are runs of letters and digits of the normalised text. A shingle's hash is a polynomial in the hashes
    of its words, modulo 2^64, mixed (splitmix64); no hash depends on the process.
    """

    def __init__(self, words: int) -> None:
        self._words = words
        self._hashes: dict[str, int] = {}

    def __call__(self, text: str) -> Shingles:
        """The shingles of a text: uint64, sorted, without repetition, at least one."""
        whole = normalised(text)
        words = _WORD.findall(whole) or [whole]
        hashes = np.fromiter(map(self._hash, words), dtype=np.uint64, count=len(words))
        span = min(self._words, len(words))
        total = np.zeros(len(words) - span + 1, dtype=np.uint64)
        factor = 1
        for place in range(span):
            total += hashes[place : len(words) - span + 1 + place] * np.uint64(factor)
            factor = factor * 0x9E3779B97F4A7C15 & _MASK
        return np.unique(_mixed(total))

    def _hash(self, word: str) -> int:
        known = self._hashes.get(word)
        if known is None:
            if len(self._hashes) >= _KNOWN_WORDS:
                self._hashes.clear()
            digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
            known = self._hashes[word] = int.from_bytes(digest, "little")
        return known


class _Pairing:
    """Compares candidates: many at once by what can only overstate their similarity, the rest exactly.

    In a pool of filled-in forms most candidates are a little below the threshold, and there are many of them.
    """

    def __init__(
        self,
        texts: Sequence[str],
        shingler: Shingler,
        similarity: float,
        low: NDArray[np.uint8],
        bands: "_Bands",
    ) -> None:
        """
        Args:
            texts: N texts.
            shingler: makes their shingles.
            similarity: from which on two texts are alike.
            low: uint8[N, PERMUTATIONS], the lowest byte of each number of the signatures.
            bands: of the signatures.
        """
        self._texts = texts
        self._shingler = shingler
        self._similarity = similarity
        self._least = similarity - _SLACK * (similarity * (1 - similarity) / PERMUTATIONS) ** 0.5
        self._bytes = low
        met = np.zeros(len(texts), dtype=bool)
        for bucket in bands.buckets():
            met[bucket] = True
        short, self._size = array("I"), np.zeros(len(texts), dtype=np.int64)
        for place, (text, candidate) in enumerate(zip(texts, met.tolist(), strict=True)):
            if candidate:
                marks = (shingler(text) & np.uint64(_MARKS - 1)).astype(np.uint32)
                short.frombytes(marks.tobytes())
                self._size[place] = len(marks)
        self._start = np.cumsum(self._size) - self._size
        self._short = np.frombuffer(short, dtype=np.uint32)
        self._marked = np.zeros(_MARKS, dtype=bool)

    def likely(self, index: int, candidates: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns the candidates that may be near-duplicates of the text at an index."""
        sizes, size = self._size[candidates], self._size[index]
        candidates = candidates[np.minimum(sizes, size) >= self._similarity * np.maximum(sizes, size)]
        agree = (self._bytes[candidates] == self._bytes[index]).mean(axis=1)
        candidates = candidates[agree >= self._least]
        if not candidates.size:
            return candidates
        sizes = self._size[candidates]
        marks = self._short[self._start[index] : self._start[index] + size]
        self._marked[marks] = True
        ends = np.cumsum(sizes)
        places = np.arange(ends[-1]) + np.repeat(self._start[candidates] - (ends - sizes), sizes)
        common = np.add.reduceat(self._marked[self._short[places]], ends - sizes, dtype=np.int64)
        self._marked[marks] = False
        return np.asarray(candidates[common >= self._similarity * (size + sizes - common)])

    def alike(self, left: int, right: int) -> bool:
        """Returns whether two texts are near-duplicates."""
        return (
            jaccard(self._shingler(self._texts[left]), self._shingler(self._texts[right])) >= self._similarity
        )


class _Components:
    """Union of sets where every element always knows its set, so that many can be compared at once."""

    def __init__(self, count: int) -> None:
        self.component = np.arange(count, dtype=np.int64)
        self._members: dict[int, list[int]] = {}

    def join(self, left: int, right: int) -> None:
        into, gone = int(self.component[left]), int(self.component[right])
        if len(self._of(into)) < len(self._of(gone)):
            into, gone = gone, into
        self.component[self._of(gone)] = into
        self._members[into] = self._of(into) + self._members.pop(gone, [gone])

    def _of(self, component: int) -> list[int]:
        return self._members.get(component, [component])


class _Bands:
    """The key of each text in each band, in a file without a name: they are needed a band at a time, twice."""

    def __init__(self, count: int, rows: int) -> None:
        """
        Args:
            count: N texts.
            rows: numbers of a signature in a band.
        """
        self._count = count
        self._rows = rows
        self._firsts = range(0, PERMUTATIONS - rows + 1, rows)
        self._file = TemporaryFile()  # noqa: SIM115 (it ends with this object)

    def write(self, start: int, signatures: NDArray[np.uint32]) -> None:
        """Takes in the signatures, uint32[n, PERMUTATIONS], of the texts from `start` on."""
        for number, first in enumerate(self._firsts):
            key = np.zeros(len(signatures), dtype=np.uint64)
            for column in range(first, first + self._rows):
                key = _mixed(key ^ signatures[:, column].astype(np.uint64))
            self._file.seek(8 * (number * self._count + start))
            self._file.write(key.tobytes())

    def buckets(self) -> Iterator[NDArray[np.int64]]:
        """Texts (ascending indices, at least two) that agree in a band, band by band."""
        for number in range(len(self._firsts)):
            self._file.seek(8 * number * self._count)
            key = np.frombuffer(self._file.read(8 * self._count), dtype=np.uint64)
            order = np.argsort(key, kind="stable")
            ends = np.flatnonzero(np.diff(key[order]) != 0) + 1
            sizes = np.diff(np.concatenate(([0], ends, [len(order)])))
            starts = np.concatenate(([0], ends))
            for start, size in zip(starts[sizes > 1], sizes[sizes > 1], strict=True):
                yield order[start : start + size].astype(np.int64)


def _sign(
    texts: Sequence[str], shingler: Shingler, bands: _Bands, progress: Callable[[int, int], None]
) -> NDArray[np.uint8]:
    """Fills the bands with the signatures of all texts; returns the lowest byte of each of their numbers."""
    from datasketch import MinHash

    minhash = MinHash(num_perm=PERMUTATIONS, seed=_SEED, hashfunc=_identity)
    low = np.empty((len(texts), PERMUTATIONS), dtype=np.uint8)
    signatures = np.empty((min(_BATCH, len(texts)), PERMUTATIONS), dtype=np.uint32)
    for index, text in enumerate(texts):
        minhash.clear()
        minhash.update_batch((shingler(text) >> np.uint64(32)).tolist())
        signatures[index % _BATCH] = minhash.hashvalues
        if index % _BATCH == _BATCH - 1 or index + 1 == len(texts):
            start, count = index - index % _BATCH, index % _BATCH + 1
            bands.write(start, signatures[:count])
            low[start : index + 1] = signatures[:count].astype(np.uint8)
            progress(index + 1, len(texts))
    return low


def _identity(value: int) -> int:
    return value


def _mixed(values: Shingles) -> Shingles:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014): every bit depends on every other."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))
