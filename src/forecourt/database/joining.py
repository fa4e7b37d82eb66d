"""The marketplace's part of the schema: which of its steps a database has, and how it joins tables
that are there already.

The engine's steps are for every application. Those of the marketplace are for applications that
have its jobs, and for databases that have its tables; the others are skipped, and made up for when
an application with the marketplace migrates. Three tables may be an application's own: `users`,
`car_providers` and `car_listings`. They are taken as they are when they have what the duties need,
and further columns are theirs. What is missing is said in words and in SQL, and then nothing was
changed.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

ADOPTED = ("users", "car_providers", "car_listings")
HISTORIC = ("0002", "0003")
"""Steps that every database of that version has, made before anybody noted them."""

SCRATCH = "forecourt_wanted"

STEPS = text(
    """
    CREATE TABLE IF NOT EXISTS forecourt.marketplace_steps (
        revision text        PRIMARY KEY,
        made_at  timestamptz NOT NULL DEFAULT now(),
        adopted  text[]      NOT NULL DEFAULT '{}'
    )
    """
)
HAS_STEPS = text("SELECT to_regclass('forecourt.marketplace_steps') IS NOT NULL")
MADE = text("SELECT revision FROM forecourt.marketplace_steps")
NOTE = text(
    """
    INSERT INTO forecourt.marketplace_steps (revision, adopted)
    VALUES (:revision, :adopted)
    ON CONFLICT DO NOTHING
    """
)
FORGET = text("DELETE FROM forecourt.marketplace_steps WHERE revision = :revision RETURNING adopted")
IN_THE_WAY = text(
    """
    SELECT wanted.relname AS name
    FROM pg_class AS wanted
    JOIN pg_class AS there ON there.relname = wanted.relname AND there.relnamespace = 'public'::regnamespace
    WHERE wanted.relnamespace = CAST(:scratch AS regnamespace)
      AND wanted.relkind IN ('r', 'p')
    ORDER BY wanted.relname
    """
)
COLUMNS = text(
    """
    SELECT attname AS name, format_type(atttypid, NULL) AS type, format_type(atttypid, atttypmod) AS full_type,
           attnotnull AS not_null, pg_get_expr(adbin, adrelid) AS default
    FROM pg_attribute
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = CAST(:table AS regclass)
      AND attnum > 0
      AND NOT attisdropped
    ORDER BY attnum
    """
)
KEY = text(
    """
    SELECT EXISTS (
        SELECT
        FROM pg_index
        JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
        WHERE indrelid = CAST(:table AS regclass)
          AND indisprimary
          AND indnkeyatts = 1
          AND attname = 'id'
    )
    """
)

ALSO = {"bigint": {"integer"}, "text": {"character varying"}}
"""Types that do as well."""


class TablesInTheWay(RuntimeError):
    """The marketplace's tables have names that are taken by others; the message says by what, and
    what would help.
    """


def note_history(connection: Connection, version: str | None) -> None:
    """Note the steps that older code made without noting them."""
    if connection.scalar(HAS_STEPS):
        return
    connection.execute(STEPS)
    for revision in HISTORIC:
        if version is not None and version >= revision:
            connection.execute(NOTE, {"revision": revision, "adopted": []})


def made(connection: Connection) -> set[str]:
    """The marketplace's steps that this database has."""
    return set(connection.scalars(MADE)) if connection.scalar(HAS_STEPS) else set()


def make(connection: Connection, revision: str, sql: str) -> None:
    """Make one step, in the caller's transaction, unless it was made. Raises TablesInTheWay."""
    connection.execute(STEPS)
    if revision in made(connection):
        return
    adopted = [] if made(connection) else _room_for(connection, sql)
    _run(connection, sql)
    connection.execute(NOTE, {"revision": revision, "adopted": adopted})


def undo(connection: Connection, revision: str, sql: str) -> None:
    """Take one step back, in the caller's transaction, if it was made. Raises TablesInTheWay for
    one that found tables, which it would drop."""
    if revision not in made(connection):
        return
    if adopted := connection.scalars(FORGET, {"revision": revision}).one():
        raise TablesInTheWay(f"{', '.join(adopted)} were here before the marketplace, and would go with it")
    _run(connection, sql)
    if not made(connection):
        connection.execute(text("DROP TABLE forecourt.marketplace_steps"))


def _run(connection: Connection, sql: str) -> None:
    """As it stands: no bind parameters, so `:` and `%` are themselves."""
    connection.connection.driver_connection.execute(sql.encode())  # type: ignore[union-attr]


def _room_for(connection: Connection, sql: str) -> list[str]:
    """The tables that are there already and will do. Raises TablesInTheWay, with all that differs.
    The step itself says what is wanted: it is made in a schema of its own, compared and rolled
    back."""
    with connection.begin_nested() as trial:
        _run(connection, f"CREATE SCHEMA {SCRATCH}")
        _run(connection, sql.replace("public.", f"{SCRATCH}."))
        taken = list(connection.scalars(IN_THE_WAY, {"scratch": SCRATCH}))
        differences = [line for name in taken for line in _differences(connection, name)]
        trial.rollback()
    if differences:
        raise TablesInTheWay(
            "the marketplace's tables cannot be made beside those that are here, and nothing was changed:\n  "
            + "\n  ".join(differences)
            + "\nAn application without the marketplace's jobs needs none of them: FORECOURT_APP names the application"
        )
    return taken


def _differences(connection: Connection, name: str) -> Iterator[str]:
    if name not in ADOPTED:
        yield f"public.{name} is not ours: rename it, or keep the marketplace in a database of its own"
        return
    if not connection.scalar(KEY, {"table": f"public.{name}"}):
        yield f"public.{name} has no primary key (id): ALTER TABLE public.{name} ADD PRIMARY KEY (id);"
    there = {column.name: column for column in _columns(connection, f"public.{name}")}
    for wanted in _columns(connection, f"{SCRATCH}.{name}"):
        found = there.get(wanted.name)
        table = f"ALTER TABLE public.{name}"
        if found is None:
            yield f"public.{name} has no column {wanted.name}: {table} ADD COLUMN {_declared(wanted, table)}"
        elif found.type != wanted.type and found.type not in ALSO.get(wanted.type, ()):
            zone = "AT TIME ZONE 'UTC'" if found.type == "timestamp without time zone" else f"::{wanted.full_type}"
            change = f"{table} ALTER COLUMN {wanted.name} TYPE {wanted.full_type} USING {wanted.name} {zone};"
            yield f"public.{name}.{wanted.name} is {found.type}, expected {wanted.type}: {change}"
        elif wanted.not_null and not found.not_null:
            yield f"public.{name}.{wanted.name} may be NULL: {table} ALTER COLUMN {wanted.name} SET NOT NULL;"


def _columns(connection: Connection, table: str) -> Sequence[Row[Any]]:
    return connection.execute(COLUMNS, {"table": table}).all()


def _declared(wanted: Row[Any], table: str) -> str:
    declared = f"{wanted.name} {wanted.full_type}"
    if wanted.default is not None:
        return f"{declared}{' NOT NULL' if wanted.not_null else ''} DEFAULT {wanted.default};"
    if wanted.not_null:
        return f"{declared}; fill it, and then {table} ALTER COLUMN {wanted.name} SET NOT NULL;"
    return f"{declared};"
