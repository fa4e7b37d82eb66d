"""Promises of joining a database: the engine comes without the marketplace, and the marketplace
beside tables that are there.
"""

import re
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine, create_engine, inspect, make_url, text

from fleet import Process
from forecourt.app import load
from forecourt.database.joining import TablesInTheWay, made
from forecourt.database.revision import MIGRATIONS, SchemaTooOld, needed, require_current
from forecourt.database.schema import _config, upgrade

OWN_TABLES = """
CREATE TABLE users (
    id serial PRIMARY KEY, name varchar(255) NOT NULL, email varchar(255), phone text, locale varchar(5) NOT NULL DEFAULT 'ar',
    timezone text, password varchar(255) NOT NULL DEFAULT '', created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO users (name) VALUES ('Sami');
"""

LARAVEL_S = """
CREATE TABLE users (
    id bigserial PRIMARY KEY, name varchar(255) NOT NULL, email varchar(255) NOT NULL, created_at timestamp, updated_at timestamp
);
INSERT INTO users (name, email, created_at) VALUES ('Sami', 'sami@example.com', '2026-11-23 10:00');
"""


@pytest.fixture
def blank(server_url: str, database_name: str, empty_var: object) -> Iterator[Engine]:
    """An empty database."""
    name = f"{database_name}_blank"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    engine = create_engine(make_url(server_url).set(drivername="postgresql+psycopg", database=name))
    yield engine
    engine.dispose()
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names("public"))


def run(engine: Engine, statements: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statements)


def steps() -> set[str]:
    """The marketplace's, as their files say."""
    files = {path.name.partition("_")[0]: path.read_text() for path in (MIGRATIONS / "versions").glob("[0-9]*.py")}
    return {revision for revision, script in files.items() if "\nMARKETPLACE = True\n" in script}


def url(engine: Engine) -> str:
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def test_an_application_without_the_marketplace_gets_none_of_its_tables(blank: Engine) -> None:
    assert upgrade(blank, marketplace=False) == (None, needed())
    assert tables(blank) == set()
    with psycopg.connect(url(blank)) as tx:
        require_current(tx)
    with (
        psycopg.connect(url(blank)) as tx,
        pytest.raises(SchemaTooOld, match="has no marketplace yet, and this application needs it"),
    ):
        require_current(tx, marketplace=True)


def test_the_marketplace_may_come_later(blank: Engine) -> None:
    upgrade(blank, marketplace=False)
    assert upgrade(blank) == (needed(), needed())
    assert {"users", "car_listings", "notifications", "wallet_limits"} <= tables(blank)
    with psycopg.connect(url(blank)) as tx:
        require_current(tx, marketplace=True)
    assert upgrade(blank) == (needed(), needed())


def test_what_has_the_marketplace_keeps_it_up_to_date_whichever_application_migrates(blank: Engine) -> None:
    upgrade(blank, "0004")
    upgrade(blank, marketplace=False)
    with blank.connect() as connection:
        assert made(connection) == steps()


def test_a_database_that_older_code_migrated_is_known_to_have_the_marketplace(blank: Engine) -> None:
    upgrade(blank, "0004")
    run(blank, "DROP TABLE forecourt.marketplace_steps")
    upgrade(blank)
    with blank.connect() as connection:
        assert made(connection) == steps()


def test_a_users_table_that_has_what_is_needed_is_taken_as_it_is(blank: Engine) -> None:
    run(blank, OWN_TABLES)
    upgrade(blank)
    with blank.connect() as connection:
        assert connection.execute(text("SELECT id, name, password FROM users")).all() == [(1, "Sami", "")]
        connection.execute(text("INSERT INTO car_listings (owner_id, title, slug) VALUES (1, 'Kia', 'kia')"))


def test_what_differs_is_said_with_the_statements_that_help_and_nothing_was_changed(blank: Engine) -> None:
    run(blank, LARAVEL_S + "CREATE TABLE notifications (id uuid PRIMARY KEY, type text)")
    with pytest.raises(TablesInTheWay) as refused:
        upgrade(blank)
    said = str(refused.value)
    for words in (
        "public.users has no column phone: ALTER TABLE public.users ADD COLUMN phone text;",
        "public.users has no column locale: ALTER TABLE public.users ADD COLUMN locale text NOT NULL DEFAULT 'en'::text;",
        "public.users.created_at is timestamp without time zone, expected timestamp with time zone",
        "public.notifications is not ours: rename it",
    ):
        assert words in said
    assert tables(blank) == {"users", "notifications"}


def test_the_statements_that_are_said_make_the_tables_fit(blank: Engine) -> None:
    run(blank, LARAVEL_S)
    with pytest.raises(TablesInTheWay) as refused:
        upgrade(blank)
    for statement in re.findall(r"ALTER TABLE [^;]+;", str(refused.value)):
        run(blank, statement)
    with pytest.raises(TablesInTheWay) as still:  # a column that changed its type may hold NULL
        upgrade(blank)
    run(blank, "UPDATE users SET updated_at = created_at")
    for statement in re.findall(r"ALTER TABLE [^;]+;", str(still.value)):
        run(blank, statement)
    assert upgrade(blank)[1] == needed()
    with blank.connect() as connection:
        at = connection.scalar(text("SELECT created_at AT TIME ZONE 'UTC' FROM users"))
    assert str(at) == "2026-11-23 10:00:00"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("CREATE TABLE users (id uuid PRIMARY KEY)", "public.users.id is uuid, expected bigint"),
        ("CREATE TABLE users (id bigint NOT NULL)", "public.users has no primary key (id)"),
        (
            "CREATE TABLE car_listings (id bigint PRIMARY KEY)",
            "fill it, and then ALTER TABLE public.car_listings ALTER",
        ),
        ("CREATE TABLE car_listing_analytics (id bigint)", "public.car_listing_analytics is not ours"),
    ],
)
def test_each_kind_of_difference_has_its_words(blank: Engine, table: str, words: str) -> None:
    run(blank, table)
    with pytest.raises(TablesInTheWay, match=re.escape(words)):
        upgrade(blank)


def test_the_engine_s_own_tables_need_no_room_in_public(blank: Engine) -> None:
    run(blank, "CREATE TABLE users (id uuid PRIMARY KEY); CREATE TABLE notifications (id int)")
    upgrade(blank, marketplace=False)
    assert tables(blank) == {"users", "notifications"}


def test_taking_the_marketplace_back_never_drops_tables_that_were_here_before(blank: Engine) -> None:
    from alembic import command

    run(blank, OWN_TABLES)
    upgrade(blank)
    config = _config()
    with blank.connect() as connection:
        config.attributes["connection"] = connection
        with pytest.raises(TablesInTheWay, match="users were here before"):
            command.downgrade(config, "0001")
    assert "users" in tables(blank)


@pytest.mark.parametrize(
    ("app", "expected"), [("workshop:app", False), ("forecourt.marketplace.app:app", True)], ids=["without", "with"]
)
def test_db_migrate_asks_the_application(
    blank: Engine, monkeypatch: pytest.MonkeyPatch, app: str, expected: bool
) -> None:
    process = Process("db", "migrate", app=app, FORECOURT_DATABASE_URL=url(blank))
    assert process.wait() == 0, process.said()
    assert ("car_listings" in tables(blank)) is expected


def test_db_migrate_into_a_database_with_other_tables_is_a_sentence_and_exit_4(blank: Engine) -> None:
    run(blank, LARAVEL_S)
    process = Process("db", "migrate", app="forecourt.marketplace.app:app", FORECOURT_DATABASE_URL=url(blank))
    assert process.wait() == 4
    assert "Traceback" not in process.said()
    assert "public.users has no column phone" in process.said()


def test_an_application_knows_whether_it_has_the_marketplace() -> None:
    assert load("forecourt.marketplace.app:app").has_marketplace
