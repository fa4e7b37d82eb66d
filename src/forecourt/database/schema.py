"""Brings the schema to what this code needs."""

from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text

from forecourt.database import in_transaction_of, joining
from forecourt.database.revision import MIGRATIONS, revisions, version

if TYPE_CHECKING:
    from alembic.config import Config

UPGRADE_LOCK = 0x666F7265
"""One upgrade at a time: an advisory lock, the same for every server."""


class WrongEncoding(RuntimeError):
    """The database does not keep Unicode."""


def run(sql: str) -> None:
    """Run a migration's statements exactly as written: no bind parameters, so `:` and `%` are
    themselves.
    """
    from alembic import op

    op.get_bind().connection.driver_connection.execute(sql.encode())  # type: ignore[union-attr]


def run_marketplace(revision: str, sql: str) -> None:
    """Run a step of the marketplace's, where it is wanted; else it is left for later. Raises
    TablesInTheWay.
    """
    from alembic import context, op

    if context.config.attributes.get("marketplace", True):
        joining.make(op.get_bind(), revision, sql)


def undo_marketplace(revision: str, sql: str) -> None:
    """Take a step of the marketplace's back, if the database has it."""
    from alembic import op

    joining.undo(op.get_bind(), revision, sql)


def upgrade(engine: Engine, to: str = "head", *, marketplace: bool = True) -> tuple[str | None, str | None]:
    """Migrate to `to`, and return the versions before and after. Servers that start together wait
    for each other.

    Without `marketplace` its tables are left out, unless the database has them. Raises
    TablesInTheWay.
    """
    from alembic import command

    with engine.connect() as connection:
        _require_unicode(connection)
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": UPGRADE_LOCK})
        try:
            if connection.scalar(text("SELECT to_regnamespace('forecourt') IS NULL")):
                # IF NOT EXISTS asks for the right to make one, also where a DBA has made it.
                connection.execute(text("CREATE SCHEMA forecourt"))
            connection.execute(text("SET lock_timeout = '5s'"))
            connection.commit()
            before = version(in_transaction_of(connection))
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
            return before, version(in_transaction_of(connection))
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": UPGRADE_LOCK})
            connection.execute(text("RESET lock_timeout"))
            connection.commit()


def _make_up(connection: Connection, config: "Config") -> None:
    """Make the steps of the marketplace's that were left out when this database was migrated for an
    application without it.
    """
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(config)
    reached = version(in_transaction_of(connection))
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


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
