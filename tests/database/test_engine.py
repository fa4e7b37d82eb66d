"""Promises of the connections: where they lead, and that they notice when nobody is there."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Engine, create_engine

from forecourt.database import database_url, engine, forget_engine, in_transaction_of
from forecourt.database.address import libpq_url
from forecourt.database.connecting import DatabaseUnreachable, connect
from forecourt.settings import settings


def configure(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("FORECOURT_DATABASE_URL", url)
    settings.cache_clear()
    forget_engine()


def test_every_connection_asks_for_signs_of_life(database: str) -> None:
    wanted = {"keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3", "tcp_user_timeout": "25000"}
    with connect() as plain, engine().connect() as pooled:
        for connection in (plain, in_transaction_of(pooled)):
            assert connection.info.get_parameters().items() >= wanted.items()


def test_what_the_address_says_of_them_wins(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, f"{database}&keepalives_idle=60")
    with connect() as connection, engine().connect() as pooled:
        assert connection.info.get_parameters()["keepalives_idle"] == "60"
        assert in_transaction_of(pooled).info.get_parameters()["keepalives_idle"] == "60"
        assert connection.info.get_parameters()["keepalives_count"] == "3"


def test_threads_that_begin_at_once_share_one_engine(database: str) -> None:
    together = threading.Barrier(8)

    def first_use() -> Engine:
        together.wait()
        return engine()

    with ThreadPoolExecutor(8) as pool:
        engines = {future.result() for future in [pool.submit(first_use) for _ in range(8)]}
    assert engines == {engine()}


def test_what_comes_back_to_an_engine_that_was_forgotten_is_closed(database: str) -> None:
    """Also what was only opened then: another thread may have had the engine in hand."""
    before = engine()
    with before.connect() as connection:
        in_use = in_transaction_of(connection)
        forget_engine()
    with before.connect() as connection:
        late = in_transaction_of(connection)
    assert (in_use.closed, late.closed) == (True, True)
    with engine().connect() as connection:
        driver = in_transaction_of(connection)
    assert not driver.closed, "in the pool"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_an_address_may_be_written_for_any_driver(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    configure(monkeypatch, f"{scheme}://salma:p%40ss@db.example:6432/cars?sslmode=require")
    assert libpq_url() == "postgresql://salma:p%40ss@db.example:6432/cars?sslmode=require"
    assert (database_url().drivername, database_url().password) == ("postgresql+psycopg", "p@ss")
    assert database_url().render_as_string() == "postgresql+psycopg://salma:***@db.example:6432/cars?sslmode=require"


@pytest.mark.parametrize(
    "place",
    [
        "salma:p%40ss@one.example:5432,two.example:6432/cars",
        "salma:p%40ss@%2Frun%2Fpostgresql:6432/cars",
        "salma:p%40ss@[::1]:6432/cars",
        "/cars?host=one.example,/run/postgresql&port=5432,6432&user=salma&password=p%40ss",
        "?service=cars",
    ],
)
def test_sqlalchemy_reads_an_address_as_libpq_does_and_shows_no_password(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    configure(monkeypatch, f"postgresql://{place}")
    _, led_to = create_engine(database_url()).dialect.create_connect_args(database_url())
    said = conninfo_to_dict(libpq_url())
    assert {name: str(value) for name, value in led_to.items() if name != "context"} == said
    assert "ss" not in database_url().render_as_string()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://salma:secret@db.example/cars", "must start with postgresql://, not mysql://"),
        ("host=db.example password=secret", "must start with postgresql://"),
        ("postgresql://salma:%secret@db.example/cars", "as %40 %3A %2F %3F %23 %25 %20"),
        ("postgresql://salma:p@secret/w@db.example:5432/cars", "write @ : / ? # % and spaces"),
        ("postgresql://salma:p@secret@db.example/cars", "write @ : / ? # % and spaces"),
        ("postgresql://salma:secret@db.example:port/cars", "postgresql://user:password@host:port/name"),
    ],
)
def test_what_is_no_address_is_refused_without_showing_its_password(
    monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    configure(monkeypatch, url)
    for connecting in (connect, lambda: engine().connect()):
        with pytest.raises(ValueError) as refused:
            connecting()
        assert words in str(refused.value)
        assert "secret" not in str(refused.value)


def test_who_does_not_answer_is_named_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, "postgresql://someone:secret@127.0.0.1:1/forecourt")
    with pytest.raises(DatabaseUnreachable, match=r"PostgreSQL at 127\.0\.0\.1, port 1, user someone: ") as unreachable:
        connect()
    assert "secret" not in str(unreachable.value)


def test_a_plain_connection_takes_no_sqlalchemy(database: str) -> None:
    script = """
import sys
from forecourt.database.connecting import connect
with connect() as connection:
    connection.execute("SELECT 1")
assert not {"sqlalchemy", "pydantic"} & set(sys.modules), "heavy"
"""
    subprocess.run([sys.executable, "-c", script], check=True)
