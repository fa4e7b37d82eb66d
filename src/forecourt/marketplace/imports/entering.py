"""The statements by which rows are entered. Each takes many at once, and says how many of them were
new.

A row whose id is there already is left as it is: an import adds, and changes nothing. Events have
no id of their own here; that none is entered twice is what the run's own row is for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from forecourt.marketplace.imports.sources import Place

USERS = text(
    """
    INSERT INTO users (id, name, email, phone, locale, timezone, created_at, updated_at)
    SELECT coalesce(id, nextval(pg_get_serial_sequence('public.users', 'id'))), name, email, phone, coalesce(locale, 'en'),
           timezone, coalesce(created_at, now()), coalesce(updated_at, created_at, now())
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS new(
        id bigint, name text, email text, phone text, locale text, timezone text, created_at timestamptz, updated_at timestamptz
    )
    ON CONFLICT (id) DO NOTHING
    RETURNING id
    """
)
PROVIDERS = text(
    """
    INSERT INTO car_providers (
        id, user_id, name, wallet_balance, wallet_currency, is_verified, is_active, created_at, updated_at
    )
    SELECT coalesce(id, nextval(pg_get_serial_sequence('public.car_providers', 'id'))), user_id, name, coalesce(wallet_balance, 0),
           coalesce(wallet_currency, 'USD'), coalesce(is_verified, false), coalesce(is_active, true), coalesce(created_at, now()),
           coalesce(updated_at, created_at, now())
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS new(
        id bigint, user_id bigint, name text, wallet_balance numeric, wallet_currency text, is_verified boolean, is_active boolean,
        created_at timestamptz, updated_at timestamptz
    )
    ON CONFLICT (id) DO NOTHING
    RETURNING id
    """
)
LISTINGS = text(
    """
    INSERT INTO car_listings (
        id, owner_id, car_provider_id, title, slug, price, photos, is_available, is_hidden, is_sponsored, sponsored_until,
        is_featured, featured_until, featured_position, views_count, created_at, updated_at, deleted_at
    )
    SELECT coalesce(id, nextval(pg_get_serial_sequence('public.car_listings', 'id'))), owner_id, car_provider_id, title, slug,
           price, coalesce(photos, '[]'), coalesce(is_available, true), coalesce(is_hidden, false), coalesce(is_sponsored, false),
           sponsored_until, coalesce(is_featured, false), featured_until, featured_position, coalesce(views_count, 0),
           coalesce(created_at, now()), coalesce(updated_at, created_at, now()), deleted_at
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS new(
        id bigint, owner_id bigint, car_provider_id bigint, title text, slug text, price numeric, photos jsonb,
        is_available boolean, is_hidden boolean, is_sponsored boolean, sponsored_until timestamptz, is_featured boolean,
        featured_until timestamptz, featured_position bigint, views_count bigint, created_at timestamptz,
        updated_at timestamptz, deleted_at timestamptz
    )
    ON CONFLICT (id) DO NOTHING
    RETURNING id
    """
)
EVENTS = text(
    """
    INSERT INTO car_listing_analytics (car_listing_id, event_type, user_ip, created_at)
    SELECT car_listing_id, event_type, user_ip, created_at
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS new(
        car_listing_id bigint, event_type text, user_ip inet, created_at timestamptz
    )
    RETURNING id
    """
)
NO_LISTING = text(
    """
    SELECT wanted
    FROM unnest(CAST(:ids AS bigint[])) AS wanted
    WHERE NOT EXISTS (SELECT FROM car_listings WHERE id = wanted)
    """
)
OPEN_SINCE = text("SELECT max(upper) FROM analytics_archives WHERE dropped_at IS NOT NULL")

# The next row of the application's own must not get an id that came in by a file. Nor one that was
# given out before: a sequence that is ahead, of rows that went or are not committed yet, stays.
KEEP_AHEAD = {
    "users": text(
        """
        SELECT setval(sequence, max(id))
        FROM users, CAST(pg_get_serial_sequence('public.users', 'id') AS regclass) AS sequence
        GROUP BY sequence
        HAVING max(id) > coalesce(pg_sequence_last_value(sequence), 0)
        """
    ),
    "providers": text(
        """
        SELECT setval(sequence, max(id))
        FROM car_providers, CAST(pg_get_serial_sequence('public.car_providers', 'id') AS regclass) AS sequence
        GROUP BY sequence
        HAVING max(id) > coalesce(pg_sequence_last_value(sequence), 0)
        """
    ),
    "listings": text(
        """
        SELECT setval(sequence, max(id))
        FROM car_listings, CAST(pg_get_serial_sequence('public.car_listings', 'id') AS regclass) AS sequence
        GROUP BY sequence
        HAVING max(id) > coalesce(pg_sequence_last_value(sequence), 0)
        """
    ),
}

INSERTS: dict[str, TextClause] = {"users": USERS, "providers": PROVIDERS, "listings": LISTINGS, "events": EVENTS}

Numbered = Sequence[tuple[Place, dict[str, Any]]]
"""Rows of ours, each with its place in the file."""


@dataclass(slots=True)
class Entered:
    """What became of rows: how many are new, how many were `there`, and which the database
    refused.
    """

    imported: int
    there: int
    refused: list[tuple[Place, str]]


def enter(session: Session, kind: str, rows: Numbered) -> Entered:
    """Enter these rows, but for those that the database refuses, in the caller's transaction."""
    entered = Entered(0, 0, [])
    if kind == "events":
        rows = _countable(session, rows, entered)
    _enter(session, INSERTS[kind], rows, entered)
    return entered


def keep_ahead(session: Session, kind: str) -> None:
    """Let ids that the database gives out be larger than those that came in."""
    if (statement := KEEP_AHEAD.get(kind)) is not None:
        session.execute(statement)


def _enter(session: Session, insert: TextClause, rows: Numbered, entered: Entered) -> None:
    """All in one statement; if the database refuses, by halves, until those that it refuses stand
    alone.
    """
    if not rows:
        return
    try:
        with session.begin_nested():
            new = len(session.execute(insert, {"rows": orjson.dumps([row for _, row in rows]).decode()}).all())
    except (IntegrityError, DataError) as refused:
        if len(rows) == 1:
            reason = refused.orig.diag  # type: ignore[union-attr]
            entered.refused.append((rows[0][0], reason.message_detail or reason.message_primary))
            return
        half = len(rows) // 2
        _enter(session, insert, rows[:half], entered)
        _enter(session, insert, rows[half:], entered)
        return
    entered.imported += new
    entered.there += len(rows) - new


def _countable(session: Session, rows: Numbered, entered: Entered) -> Numbered:
    """Events that a roll-up will find: of listings that there are, and of days that are not
    archived.
    """
    missing = set(session.scalars(NO_LISTING, {"ids": list({row["car_listing_id"] for _, row in rows})}))
    since = session.scalars(OPEN_SINCE).one()
    archived: Callable[[dict[str, Any]], bool] = lambda row: since is not None and row["created_at"] < since.isoformat()  # noqa: E731
    kept = []
    for line, row in rows:
        if row["car_listing_id"] in missing:
            entered.refused.append((line, f"car_listing_id: there is no listing {row['car_listing_id']}"))
        elif archived(row):
            entered.refused.append(
                (line, f"created_at: raw events before {since:%Y-%m-%d} are archived, and their days closed")
            )
        else:
            kept.append((line, row))
    return kept
