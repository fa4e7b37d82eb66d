"""What is secret by its name is not shown."""

import httpx
import psycopg
import pytest

from forecourt.web.masking import masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"user": "anna", "password": "open sesame"}', '{"user": "anna", "password": "•••"}'),
        ('{"api_token": 42, "n": 1}', '{"api_token": "•••", "n": 1}'),
        ('{"Client_Secret": "a \\" b, c"}', '{"Client_Secret": "•••"}'),
        ('{"tokens": ["a", "b"], "n": 1}', '{"tokens": "•••", "n": 1}'),
        ('{"credentials": {"user": "x", "key": "y"}, "n": 1}', '{"credentials": "•••", "n": 1}'),
        ('{"note": "my secret", "n": 1}', '{"note": "my secret", "n": 1}'),
        ('{"password": "cut off in the mid', '{"password": "•••"'),
        ('{"password": null}', '{"password": "•••"}'),
    ],
)
def test_secrets_are_masked_by_name(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_no_page_shows_a_secret_argument(pages: httpx.Client, tx: psycopg.Connection) -> None:
    row = '{"user": "anna", "password": "open sesame", "tokens": ["open sesame"]}'
    id = tx.execute(
        "INSERT INTO forecourt.ready (job, queue, args) VALUES ('j', 'q', %s) RETURNING id", (row,)
    ).fetchone()[0]
    for path in ("/calls", f"/calls/{id}", "/queues/q"):
        page = pages.get(path).text
        assert "anna" in page
        assert "open sesame" not in page
