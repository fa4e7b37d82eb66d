"""A marketplace to measure on: so many events, so many listings, the same ones at every run."""

from datetime import date, datetime, timedelta

from psycopg.sql import SQL, Identifier, Literal
from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.database import in_transaction_of
from forecourt.marketplace.partitions import partitions

DAY = timedelta(days=1)

TODAY = text("SELECT (now() AT TIME ZONE 'UTC')::date")

# The trigger that notes late events would see to each of them: they came in time, days ago.
ON_TIME = text("ALTER TABLE car_listing_analytics DISABLE TRIGGER note_late_event")

PARTITION = SQL("CREATE TABLE {name} PARTITION OF car_listing_analytics FOR VALUES FROM ({lower}) TO ({upper})")

# Each listing has some 25 visitors a day, who come more than once; four events of five are views.
EVENTS = text(
    """
    INSERT INTO car_listing_analytics (car_listing_id, event_type, user_ip, created_at)
    SELECT listing,
           (ARRAY['contact_phone', 'contact_whatsapp', 'favorite', 'share', 'view'])[least(kind, 5)],
           '10.0.0.0'::inet + (listing * 25 + visitor) * 7919 % 16777216,
           CAST(:day AS date) AT TIME ZONE 'UTC' + n * interval '86399 s' / :events
    FROM (
        SELECT n,
               1 + floor(random() * :listings)::bigint AS listing,
               1 + floor(random() * 20)::int AS kind,
               floor(random() * 25)::int AS visitor
        FROM (SELECT setseed(0.5)) AS seeded, generate_series(1, CAST(:events AS bigint)) AS n
    ) AS came
    ORDER BY n
    """
)

OWNERS = text(
    """
    INSERT INTO users (id, name, email)
    SELECT n, 'Owner ' || n, 'owner' || n || '@example.com' FROM generate_series(1, CAST(:owners AS bigint)) AS n
    ON CONFLICT (id) DO NOTHING
    """
)

# A photo as the photo job leaves it: three widths in storage, under keys that begin with a hash.
LISTINGS = text(
    """
    INSERT INTO car_listings (
        id, owner_id, title, slug, price, photos, updated_at, is_sponsored, sponsored_until, deleted_at
    )
    SELECT n,
           1 + n % :owners,
           'Kia Rio ' || n,
           'kia-rio-2019-automatic-' || n,
           9000 + n % 5000,
           CASE WHEN :with_photos THEN jsonb_build_array(jsonb_build_object(
               'key', stem || '-1600.webp',
               'variants', jsonb_build_array(
                   jsonb_build_object('key', stem || '-1600.webp', 'width', 1600, 'height', 1200, 'bytes', 98000),
                   jsonb_build_object('key', stem || '-800.webp', 'width', 800, 'height', 600, 'bytes', 44000),
                   jsonb_build_object('key', stem || '-400.webp', 'width', 400, 'height', 300, 'bytes', 20000)
               )
           )) ELSE '[]' END,
           '2026-01-01Z'::timestamptz + n % 300 * interval '1 day',
           CAST(:sponsored_until AS timestamptz) IS NOT NULL,
           :sponsored_until,
           :deleted_at
    FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n
    CROSS JOIN md5(n::text) AS hash
    CROSS JOIN concat('photos/', substr(hash, 1, 2), '/', substr(hash, 3, 2), '/', hash) AS stem
    ORDER BY n
    """
)


def days_ago(session: Session, days: int) -> date:
    """The UTC day so many days ago, by the database's clock."""
    today: date = session.scalars(TODAY).one()
    return today - days * DAY


def have_events(session: Session, day: date, events: int, listings: int) -> None:
    """Events of one UTC day, in the order in which they came, of randomly chosen listings."""
    session.execute(ON_TIME)
    if all(partition.lower.date() != day for partition in partitions(session)):
        in_transaction_of(session).execute(
            PARTITION.format(
                name=Identifier(f"car_listing_analytics_{day:%Y%m%d}"),
                lower=Literal(f"{day} 00:00Z"),
                upper=Literal(f"{day + DAY} 00:00Z"),
            )
        )
    session.execute(EVENTS, {"day": day, "events": events, "listings": listings})


def have_listings(
    session: Session,
    first: int,
    last: int,
    *,
    with_photos: bool = False,
    sponsored_until: datetime | None = None,
    deleted_at: datetime | None = None,
) -> None:
    """Listings with the ids from `first` to `last`, of a thousand owners."""
    session.execute(OWNERS, {"owners": 1_000})
    session.execute(
        LISTINGS,
        {
            "owners": 1_000,
            "first": first,
            "last": last,
            "with_photos": with_photos,
            "sponsored_until": sponsored_until,
            "deleted_at": deleted_at,
        },
    )
