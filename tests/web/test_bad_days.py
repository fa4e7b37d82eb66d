"""The database away, slow, read-only, full: pages say so within seconds, come back by themselves,
and take nobody's connections.
"""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from faults.wire import wire
from forecourt.database import forget_engine
from forecourt.settings import settings
from forecourt.web import access
from forecourt.web.database import MOST, PATIENCE
from serving import OURS, every_page

PAGES = [path for path in every_page() if path != "/login"]


def point_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_DATABASE_URL", url)
    settings.cache_clear()
    forget_engine()


def admin(database: str) -> psycopg.Connection:
    return psycopg.connect(
        make_url(database).set(database="postgres").render_as_string(hide_password=False), autocommit=True
    )


def test_a_database_that_is_gone_is_told_on_every_page_which_tries_again_and_comes_back(
    pages: httpx.Client, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pages.get("/").status_code == 200
    point_at("postgresql://someone:secret@127.0.0.1:1/nowhere", monkeypatch)
    for path in PAGES:
        answer = pages.get(path)
        assert (answer.status_code, answer.headers["refresh"]) == (503, "5"), path
        assert "The database does not answer" in answer.text
        assert "secret" not in answer.text
        assert "127.0.0.1:1" not in answer.text
    assert pages.get("/", headers={"accept": "application/json"}).json()["message"] == "Database unreachable"
    point_at(database, monkeypatch)
    assert pages.get("/").status_code == 200


def test_connections_that_were_cut_are_replaced_without_a_word(pages: httpx.Client, database: str) -> None:
    assert pages.get("/").status_code == 200
    with admin(database) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'forecourt web' AND datname = %s",
            (make_url(database).database,),
        )
    assert pages.get("/").status_code == 200


def test_a_database_that_stays_silent_is_not_waited_for(pages: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        point_at(f"postgresql://someone@127.0.0.1:{silent.getsockname()[1]}/nowhere", monkeypatch)
        begun = time.monotonic()
        assert pages.get("/queues").status_code == 503
        assert time.monotonic() - begun < 9


def test_a_database_that_takes_two_seconds_for_each_statement_is_told_and_comes_back_by_itself(
    pages: httpx.Client, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PATIENCE < 3, "a page needs several statements, and all of them together have no longer"
    url = make_url(database)
    folder = url.query.get("host") or url.host
    with wire(f"{folder}/.s.PGSQL.{url.port or url.query.get('port', 5432)}") as line, ThreadPoolExecutor(24) as many:
        slow = url.set(host="127.0.0.1", port=line.port, query={"sslmode": "disable", "gssencmode": "disable"})
        point_at(slow.render_as_string(hide_password=False), monkeypatch)
        asked = [*PAGES, "/health", "/metrics", "/api/v1/overview"]
        assert set(many.map(lambda path: pages.get(path).status_code, ["/"] * MOST)) == {200}
        line.delay = 2.0
        told = list(many.map(pages.get, asked))
        assert {answer.status_code for answer in told} == {503}
        assert all("atabase" in answer.text for answer in told)
        line.delay = 0.0
        assert {path: pages.get(path).status_code for path in PAGES} == dict.fromkeys(PAGES, 200)


def test_a_statement_that_takes_too_long_is_given_up(pages: httpx.Client, database: str) -> None:
    pages.get("/")
    with psycopg.connect(database) as migration:
        migration.execute("LOCK TABLE forecourt.ready, forecourt.failed")
        begun = time.monotonic()
        assert pages.get("/queues").status_code == 503
        assert time.monotonic() - begun < 9
    assert pages.get("/queues").status_code == 200


def test_a_read_only_database_is_read_and_not_acted_on(
    pages: httpx.Client, tx: psycopg.Connection, database: str
) -> None:
    name = make_url(database).database
    with admin(database) as other:
        other.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(sql.Identifier(name)))
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'forecourt web' AND datname = %s",
            (name,),
        )
    for path in PAGES:
        assert pages.get(path).status_code == 200, path
    answer = pages.post("/queues/pause", data={"queue": "high"}, headers=OURS)
    assert answer.status_code == 503
    assert "read-only, so nothing was changed" in answer.text


def test_whoever_meets_another_crosswise_hears_that_nothing_was_changed(
    pages: httpx.Client, tx: psycopg.Connection, database: str
) -> None:
    enter = "INSERT INTO forecourt.ready (job, queue) VALUES ('wait', 'low'), ('wait', 'low') RETURNING id"
    (first,), (second,) = tx.execute(enter).fetchall()
    tx.commit()
    with psycopg.connect(database) as other, ThreadPoolExecutor(1) as browser:
        other.execute("SET deadlock_timeout = '1min'")  # the page finds out first
        other.execute("SELECT FROM forecourt.ready WHERE id = %s FOR UPDATE", (second,))
        data = {"ids": [f"{first}", f"{second}"], "state": "ready", "do": "cancel"}
        asked = browser.submit(pages.post, "/calls/act", data=data, headers=OURS)
        while tx.execute("SELECT bool_and(granted) FROM pg_locks").fetchall()[0][0]:
            time.sleep(0.01)
        other.execute("SELECT FROM forecourt.ready WHERE id = %s FOR UPDATE", (first,))
        assert asked.result().status_code == 503
    assert "at the same rows, so nothing was changed" in asked.result().text
    assert tx.execute("SELECT count(*) FROM forecourt.ready").fetchall() == [(2,)]


def test_a_database_at_its_limit_of_connections_is_told(pages: httpx.Client, database: str) -> None:
    name = make_url(database).database
    with admin(database) as other:
        other.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(sql.Identifier(name)))
        other.execute("CREATE ROLE nobody_special LOGIN PASSWORD 'nothing'")
        try:
            url = (
                make_url(database)
                .set(username="nobody_special", password="nothing")
                .render_as_string(hide_password=False)
            )
            with pytest.MonkeyPatch.context() as patch:
                point_at(url, patch)
                access._remembered.clear()
                for path in PAGES:
                    answer = pages.get(path)
                    assert (answer.status_code, "The database does not answer" in answer.text) == (503, True), path
                # One is free again: the pages come back by themselves, and want no more than it.
                other.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 10").format(sql.Identifier(name)))
                other.execute("GRANT pg_read_all_data TO nobody_special")
                assert pages.get("/queues").status_code == 200
        finally:
            other.execute("DROP ROLE nobody_special")
            other.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT -1").format(sql.Identifier(name)))


def test_however_much_is_asked_few_connections_are_used(
    pages: httpx.Client, database: str, tx: psycopg.Connection
) -> None:
    with ThreadPoolExecutor(24) as many:
        codes = list(many.map(lambda _: pages.get("/").status_code, range(72)))
    assert set(codes) == {200}
    used = tx.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'forecourt web' AND datname = current_database()"
    ).fetchone()[0]
    assert used <= 4


def test_a_database_without_our_schema_says_what_to_do(pages: httpx.Client, tx: psycopg.Connection) -> None:
    tx.execute("DROP SCHEMA forecourt CASCADE")
    access._remembered.clear()
    answer = pages.get("/")
    assert answer.status_code == 503
    assert "forecourt db migrate" in answer.text
    assert "<title>The database is not up to date" in answer.text


def test_an_application_that_cannot_be_loaded_is_named_and_health_answers(
    pages: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_APP", "nowhere:app")
    settings.cache_clear()
    answer = pages.get("/")
    assert answer.status_code == 500
    assert "there is no module &#39;nowhere&#39;" in answer.text
    assert pages.get("/readyz").status_code == 200
    assert pages.get("/calls").status_code == 200
