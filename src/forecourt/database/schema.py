"""Brings the schema to what this code needs, and says which version a database has.

Alembic is imported only to migrate: workers and commands merely compare two version numbers.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text

from forecourt.database import joining

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
UPGRADE_LOCK = 0x666F7265
"""One upgrade at a time: an advisory lock, the same for every server."""


WITHOUT_MARKETPLACE = text("SELECT to_regclass('public.car_listing_daily_stats') IS NULL")


class WrongEncoding(RuntimeError):
    """The database does not keep Unicode."""


class SchemaTooOld(RuntimeError):
    """The database has an older schema than this code needs."""


def run(sql: str) -> None:
    """Run a migration's statements exactly as written: no bind parameters, so `:` and `%` are themselves."""
    from alembic import op

    op.get_bind().connection.driver_connection.execute(sql.encode())  # type: ignore[union-attr]


def run_marketplace(revision: str, sql: str) -> None:
    """Run a step of the marketplace's, where it is wanted; else it is left for later. Raises TablesInTheWay."""
    from alembic import context, op

    if context.config.attributes.get("marketplace", True):
        joining.make(op.get_bind(), revision, sql)


def undo_marketplace(revision: str, sql: str) -> None:
    """Take a step of the marketplace's back, if the database has it."""
    from alembic import op

    joining.undo(op.get_bind(), revision, sql)


def upgrade(engine: Engine, to: str = "head", *, marketplace: bool = True) -> tuple[str | None, str | None]:
    """Migrate to `to`, and return the versions before and after. Servers that start together wait for each other.

    Without `marketplace` its tables are left out, unless the database has them. Raises TablesInTheWay.
    """
    from alembic import command

    with engine.connect() as connection:
        _require_unicode(connection)
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": UPGRADE_LOCK})
        try:
            connection.execute(text("CREATE SCHEMA IF NOT EXISTS forecourt"))
            connection.execute(text("SET lock_timeout = '5s'"))
            connection.commit()
            before = version(connection)
            joining.note_history(connection, before)
            wanted = marketplace or bool(joining.made(connection))
            connection.commit()
            config = _config()
            config.attributes["connection"] = connection
            config.attributes["marketplace"] = wanted
            command.upgrade(config, to)
            connection.commit()
            if wanted:
                _make_up(connection, config)
            return before, version(connection)
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": UPGRADE_LOCK})
            connection.execute(text("RESET lock_timeout"))
            connection.commit()


def _make_up(connection: Connection, config: "Config") -> None:
    """Make the steps of the marketplace's that were left out when this database was migrated for an application without it."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(config)
    reached = version(connection)
    if reached not in revisions():
        return  # newer than this code
    for script in reversed(list(scripts.iterate_revisions(reached, "base"))):
        if getattr(script.module, "MARKETPLACE", False):
            joining.make(connection, script.revision, script.module.UP)
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


def require_current(engine: Engine, *, marketplace: bool = False) -> None:
    """Raise SchemaTooOld unless the database is at least at the revision that this code needs, and has the marketplace's tables if
    these are needed.

    A newer database is fine: during a deploy old code runs beside the new schema, which only ever adds.
    """
    with engine.connect() as connection:
        found = version(connection)
        without = marketplace and found is not None and connection.scalar(WITHOUT_MARKETPLACE)
    if without:
        raise SchemaTooOld(
            "the database has no marketplace yet, and this application needs it: run `forecourt db migrate`"
        )
    if found is None or (found in revisions() and found != needed()):
        raise SchemaTooOld(
            f"the database's schema is at {found or 'nothing'}, this code needs {needed()}: run `forecourt db migrate`"
        )


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
