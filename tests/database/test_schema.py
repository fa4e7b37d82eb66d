"""The schema's versions."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url, text

from forecourt.database.revision import SchemaTooOld, needed, require_current, revisions, version
from forecourt.database.schema import _config, upgrade


def test_the_files_names_are_their_revisions() -> None:
    scripts = ScriptDirectory.from_config(_config())
    assert revisions() == sorted(script.revision for script in scripts.walk_revisions())
    assert needed() == scripts.get_current_head()


def test_servers_that_migrate_at_the_same_time_wait_for_each_other(server_url: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS together")
        connection.execute("CREATE DATABASE together TEMPLATE template0")
    url = make_url(server_url).set(drivername="postgresql+psycopg", database="together")
    engines = [create_engine(url) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(upgrade, engines))
    assert sorted(results, key=str) == sorted([(None, needed()), (needed(), needed()), (needed(), needed())], key=str)
    for used in engines:
        used.dispose()


def test_a_role_that_may_make_no_schema_migrates_one_that_was_made_for_it(server_url: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS prepared")
        connection.execute("CREATE DATABASE prepared TEMPLATE template0")
        connection.execute("DROP ROLE IF EXISTS tenant")
        connection.execute("CREATE ROLE tenant")
    url = make_url(server_url).set(drivername="postgresql+psycopg", database="prepared")
    dba, tenant = create_engine(url), create_engine(url, connect_args={"options": "-c role=tenant"})
    with dba.begin() as connection:
        connection.execute(text("CREATE SCHEMA forecourt AUTHORIZATION tenant"))
    assert upgrade(tenant, marketplace=False) == (None, needed())
    dba.dispose()
    tenant.dispose()


def test_a_schema_older_than_the_code_is_refused_with_words(database: str) -> None:
    with psycopg.connect(database) as tx:
        require_current(tx)
        tx.execute("UPDATE forecourt.schema_version SET version_num = '0001'")
        with pytest.raises(SchemaTooOld, match=r"is at 0001, this code needs .*: run `forecourt db migrate`"):
            require_current(tx)


def test_a_schema_newer_than_the_code_is_accepted(database: str) -> None:
    with psycopg.connect(database) as tx:
        tx.execute("UPDATE forecourt.schema_version SET version_num = '9999'")
        assert version(tx) == "9999"
        require_current(tx)


def test_every_step_can_be_taken_back(server_url: str) -> None:
    from alembic import command

    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS back")
        connection.execute("CREATE DATABASE back TEMPLATE template0")
    used = create_engine(make_url(server_url).set(drivername="postgresql+psycopg", database="back"))
    upgrade(used)
    config = _config()
    with used.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
        assert (
            connection.scalar(text("SELECT count(*) FROM pg_tables WHERE schemaname IN ('forecourt', 'public')")) == 1
        )
    upgrade(used)
    used.dispose()
