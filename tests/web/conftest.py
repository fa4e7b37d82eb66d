"""A browser without a screen: it asks a real server for pages, on the test's own database."""

from collections.abc import Callable, Iterator

import httpx
import psycopg
import pytest

from scene import set_scene
from serving import HTML, OURS


@pytest.fixture
def tx(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def pages(database: str, web_address: str) -> Iterator[httpx.Client]:
    """A browser on this machine, before an empty database."""
    with httpx.Client(base_url=web_address, headers=HTML, follow_redirects=True, timeout=30) as client:
        yield client


@pytest.fixture
def scene(tx: psycopg.Connection) -> dict[str, int]:
    """A marketplace in the middle of its night; the ids of some of its calls."""
    with tx.transaction():
        return set_scene(tx)


@pytest.fixture
def post(pages: httpx.Client) -> Callable[..., str]:
    """Presses a button, and returns the page that follows."""

    def press(path: str, **form: object) -> str:
        answer = pages.post(path, data={name: str(value) for name, value in form.items()}, headers=OURS)
        assert answer.status_code == 200, answer.text
        return answer.text

    return press
