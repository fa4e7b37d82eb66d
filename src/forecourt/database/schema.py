"""Brings the schema to what this code needs, and says which version a database has.

Alembic is imported only to migrate: workers and commands merely compare two version numbers.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
UPGRADE_LOCK = 0x666F7265
"""One upgrade at a time: an advisory lock, the same for every server."""


class WrongEncoding(RuntimeError):
    """The database does not keep Unicode."""


class SchemaTooOld(RuntimeError):
    """The database has an older schema than this code needs."""


def run(sql: str) -> None:
    """Run a migration's statements exactly as written: no bind parameters, so `:` and `%` are themselves."""
    from alembic import op

    op.get_bind().connection.driver_connection.execute(sql.encode())  # type: ignore[union-attr]


def upgrade(engine: Engine, to: str = "head") -> tuple[str | None, str | None]:
    """Migrate to `to`, and return the versions before and after. Servers that start together wait for each other."""
    from alembic import command

    with engine.connect() as connection:
        _require_unicode(connection)
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": UPGRADE_LOCK})
        try:
            connection.execute(text("CREATE SCHEMA IF NOT EXISTS forecourt"))
            connection.execute(text("SET lock_timeout = '5s'"))
            connection.commit()
            before = version(connection)
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, to)
            connection.commit()
            return before, version(connection)
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": UPGRADE_LOCK})
            connection.execute(text("RESET lock_timeout"))
            connection.commit()


def _require_unicode(connection: Connection) -> None:
    driver = connection.connection.driver_connection
    encoding = driver.info.parameter_status("server_encoding")  # type: ignore[union-attr]
    if encoding != "UTF8":
        raise WrongEncoding(
            f"the database's encoding is {encoding}, and Forecourt needs UTF8: "
            "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"
        )


def version(connection: Connection) -> str | None:
    """The revision that the database is at; None for an empty one."""
    if connection.scalar(text("SELECT to_regclass('forecourt.schema_version')")) is None:
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM forecourt.schema_version"))
    return found


def revisions() -> list[str]:
    """The revisions that this code knows, oldest first. Their files begin with them."""
    return sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def needed() -> str:
    """The revision that this code was written for."""
    return revisions()[-1]


def require_current(engine: Engine) -> None:
    """Raise SchemaTooOld unless the database is at least at the revision that this code needs.

    A newer database is fine: during a deploy old code runs beside the new schema, which only ever adds.
    """
    with engine.connect() as connection:
        found = version(connection)
    if found is None or (found in revisions() and found != needed()):
        raise SchemaTooOld(
            f"the database's schema is at {found or 'nothing'}, this code needs {needed()}: run `forecourt db migrate`"
        )


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
