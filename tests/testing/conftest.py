"""A process that has no database to turn to."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from counter import NOWHERE

from forecourt import database
from forecourt.settings import settings


@pytest.fixture
def nowhere(empty_var: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings that point at no database: whoever asks for a connection gets an error."""
    monkeypatch.setenv("FORECOURT_DATABASE_URL", NOWHERE)
    settings.cache_clear()
    database.forget_engine()
    yield
    database.forget_engine()
    settings.cache_clear()
