"""Somebody who is told: by mail on a real SMTP server, by a webhook on a real HTTP server."""

from collections.abc import Iterator

import psycopg
import pytest

from forecourt.settings import settings
from listener import Listener
from smtp_sink import SmtpSink

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def tx(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch, database: str) -> Iterator[SmtpSink]:
    """Where alerts go by mail."""
    with SmtpSink() as sink:
        monkeypatch.setenv("FORECOURT_SMTP_URL", sink.url)
        monkeypatch.setenv("FORECOURT_ALERT_MAIL", "ops@cars.example, anna@cars.example")
        settings.cache_clear()
        yield sink


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch, database: str) -> Iterator[Listener]:
    """Where alerts go by webhook."""
    with Listener() as listener:
        monkeypatch.setenv("FORECOURT_ALERT_WEBHOOK", f"{listener.url}/hook?room=night")
        monkeypatch.setenv("FORECOURT_ALERT_SECRET", SECRET)
        settings.cache_clear()
        yield listener
