"""Which version of the schema a database has, and whether this code can work with it."""

from pathlib import Path
from typing import Any

from psycopg import Connection

WITHOUT_MARKETPLACE = "SELECT to_regclass('public.car_listing_daily_stats') IS NULL"

MIGRATIONS = Path(__file__).parent / "migrations"


class SchemaTooOld(RuntimeError):
    """The database has an older schema than this code needs."""


def version(tx: Connection[Any]) -> str | None:
    """The revision that the database is at; None for an empty one."""
    if tx.execute("SELECT to_regclass('forecourt.schema_version')").fetchall()[0][0] is None:
        return None
    rows = tx.execute("SELECT version_num FROM forecourt.schema_version").fetchall()
    return str(rows[0][0]) if rows else None


def revisions() -> list[str]:
    """The revisions that this code knows, oldest first. Their files begin with them."""
    return sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def needed() -> str:
    """The revision that this code was written for."""
    return revisions()[-1]


def require_current(tx: Connection[Any], *, marketplace: bool = False) -> None:
    """Raise SchemaTooOld unless the database is at least at the revision that this code needs, and
    has the marketplace's tables if these are needed.

    A newer database is fine: during a deploy old code runs beside the new schema, which only ever
    adds.
    """
    found = version(tx)
    if found is None or (found in revisions() and found != needed()):
        raise SchemaTooOld(
            f"the database's schema is at {found or 'nothing'}, this code needs {needed()}: run `forecourt db migrate`"
        )
    if marketplace and tx.execute(WITHOUT_MARKETPLACE).fetchall()[0][0]:
        raise SchemaTooOld(
            "the database has no marketplace yet, and this application needs it: run `forecourt db migrate`"
        )
