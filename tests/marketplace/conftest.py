"""A bucket, a mail server and a service over HTTP for every test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bucket_server import BucketServer

from forecourt.settings import settings
from listener import Listener
from smtp_sink import SmtpSink


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


@pytest.fixture
def sink(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmtpSink]:
    """A mail server; the settings of this process name it."""
    with SmtpSink() as started:
        monkeypatch.setenv("FORECOURT_SMTP_URL", started.url)
        settings.cache_clear()
        yield started


@pytest.fixture
def service(database: str) -> Iterator[Listener]:
    """Whatever is posted to over HTTP."""
    with Listener() as listener:
        yield listener
