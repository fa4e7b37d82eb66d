"""What is secret by its name is not shown."""

import json

import httpx
import psycopg
import pytest
from click.testing import CliRunner

import workshop
from forecourt import chain, job
from forecourt.cli import forecourt
from forecourt.jobs.arguments import WrongArguments
from forecourt.masking import hide, hide_text
from forecourt.settings import settings


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
        ('{"credentials": {"a": {"b": [1, "x"]}, "c": 2}, "n": 1}', '{"credentials": "•••", "n": 1}'),
        ('{"credentials": {"a": {"b": [1, "cut o', '{"credentials": "•••"'),
        ('{"note": "\\"password\\": 42", "n": 1}', '{"note": "\\"password\\": 42", "n": 1}'),
        ('{"cut in the na', '{"cut in the na'),
    ],
)
def test_secrets_are_masked_by_name(text: str, shown: str) -> None:
    assert hide_text(text) == shown


def test_secrets_are_masked_however_deep_and_whatever_their_kind() -> None:
    deep = {"a": [{"Token": {"x": 1}}, {"b": {"iban": None}}], "note": "token"}
    assert hide(deep) == {"a": [{"Token": "•••"}, {"b": {"iban": "•••"}}], "note": "token"}


def test_no_page_shows_a_secret_argument(pages: httpx.Client, tx: psycopg.Connection) -> None:
    row = '{"user": "anna", "password": "open sesame", "tokens": ["open sesame"]}'
    id = tx.execute(
        "INSERT INTO forecourt.ready (job, queue, args) VALUES ('j', 'q', %s) RETURNING id", (row,)
    ).fetchone()[0]
    for path in ("/calls", f"/calls/{id}", "/queues/q"):
        page = pages.get(path).text
        assert "anna" in page
        assert "open sesame" not in page


ACCOUNT = "DE02 1203 0000 0000 2020 51"


def test_what_a_job_masks_is_shown_nowhere(
    pages: httpx.Client, tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_APP", "workshop:app")
    settings.cache_clear()
    workshop.app.declare(tx)
    args = {"account": ACCOUNT, "owner": "anna"}
    id = workshop.wire_money.using(session=tx).dispatch(**args).id
    chained = chain(workshop.nothing.call(), workshop.wire_money.call(**args)).dispatch().id
    failed = tx.execute(
        "INSERT INTO forecourt.failed (job, queue, args, error, message) VALUES ('wire_money', 'q', %s, 'Oops', '') RETURNING id",
        (json.dumps(args),),
    ).fetchone()[0]
    shown = [
        pages.get(path).text
        for path in (
            "/calls", f"/calls/{id}", f"/calls/{failed}", "/calls?state=failed", f"/queues/{workshop.wire_money.policy.queue}",
            "/api/v1/calls", f"/api/v1/calls/{id}", f"/api/v1/calls/{chained}", "/api/v1/failures/calls",
        )
    ] + [
        CliRunner().invoke(forecourt, ["queue", *words]).output
        for words in (["show", str(id)], ["show", str(id), "--json"], ["show", str(chained), "--json"], ["failed", "--json"])
    ]  # fmt: skip
    for text in shown:
        assert "anna" in text, text[:2000]
        assert ACCOUNT not in text


def test_what_is_wrong_with_a_secret_is_said_without_it() -> None:
    with pytest.raises(WrongArguments) as wrong:
        workshop.wire_money.dispatch(account=[ACCOUNT], owner="anna")
    assert "argument 'account'" in str(wrong.value)
    assert ACCOUNT not in str(wrong.value)
    with pytest.raises(ValueError, match="mask= names ibna, which it does not take"):
        job(mask="ibna")(lambda_of_account)


def lambda_of_account(iban: str) -> None: ...
