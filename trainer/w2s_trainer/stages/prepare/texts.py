"""Texts, each held once: what differs only in case, white space or typographic form is the same text."""

import hashlib
from dataclasses import dataclass, field

from w2s_trainer.stages.normal_form import normalised


@dataclass
class Texts:
    """The distinct texts of a job, in the order in which they came."""

    texts: list[str] = field(default_factory=list)
    """Each as it was first written."""
    digests: list[bytes] = field(default_factory=list)
    """sha256 of each, normalised."""
    _index: dict[bytes, int] = field(default_factory=dict)

    def add(self, text: str) -> int:
        """The index of a text; that of its exact duplicate if there is one."""
        digest = hashlib.sha256(normalised(text).encode()).digest()
        index = self._index.setdefault(digest, len(self.texts))
        if index == len(self.texts):
            self.texts.append(text)
            self.digests.append(digest)
        return index

    def __len__(self) -> int:
        return len(self.texts)
