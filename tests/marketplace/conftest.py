"""A bucket for every test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bucket_server import BucketServer

from forecourt.settings import settings


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    started = BucketServer(tmp_path_factory.mktemp("s3"))
    yield started
    started.stop()


@pytest.fixture(name="url")
def bucket_address(server: BucketServer, empty_var: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The bucket's address; the settings of this process name it."""
    server.empty()
    monkeypatch.setenv("FORECOURT_STORAGE_URL", server.url())
    monkeypatch.delenv("AWS_REGION", raising=False)
    settings.cache_clear()
    return server.url()
