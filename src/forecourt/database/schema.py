"""Brings the schema to what this code needs, and says which version a database has."""

from pathlib import Path

from alembic import command, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

MIGRATIONS = Path(__file__).parent / "migrations"
UPGRADE_LOCK = 0x666F7265  # one upgrade at a time: an advisory lock, the same for every server


class SchemaTooOld(RuntimeError):
    """The database has an older schema than this code needs."""


def run(sql: str) -> None:
    """Run a migration's statements exactly as written: no bind parameters, so `:` and `%` are themselves."""
    op.get_bind().connection.driver_connection.execute(sql.encode())  # type: ignore[union-attr]


def upgrade(engine: Engine, to: str = "head") -> tuple[str | None, str | None]:
    """Migrate to `to`, and return the versions before and after. Servers that start together wait for each other."""
    with engine.connect() as connection:
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


def version(connection: Connection) -> str | None:
    """The revision that the database is at; None for an empty one."""
    context = MigrationContext.configure(
        connection, opts={"version_table": "schema_version", "version_table_schema": "forecourt"}
    )
    return context.get_current_revision()


def needed() -> str:
    """The revision that this code was written for."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def require_current(engine: Engine) -> None:
    """Raise SchemaTooOld unless the database is at least at the revision that this code needs.

    A newer database is fine: during a deploy old code runs beside the new schema, which only ever adds.
    """
    with engine.connect() as connection:
        found = version(connection)
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found == needed() or (found is not None and found not in known):
        return
    raise SchemaTooOld(
        f"the database's schema is at {found or 'nothing'}, this code needs {needed()}: run `forecourt db migrate`"
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
