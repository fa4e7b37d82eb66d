"""What a listing or a provider got: views, visitors and contacts by day, from the daily stats.

Visitors of several days are never added up: who comes on two days is one visitor, and the stats
cannot tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

LISTING = text(
    """
    SELECT listing.title AS name, listing.id, provider.name AS provider, listing.views_count
    FROM car_listings AS listing
    LEFT JOIN car_providers AS provider ON provider.id = listing.car_provider_id
    WHERE listing.id = :id
    """
)
PROVIDER = text(
    """
    SELECT provider.name, provider.id, NULL AS provider, sum(listing.views_count) AS views_count
    FROM car_providers AS provider
    LEFT JOIN car_listings AS listing ON listing.car_provider_id = provider.id
    WHERE provider.id = :id
    GROUP BY provider.id
    """
)
LISTINGS_OF = text("SELECT id FROM car_listings WHERE car_provider_id = :id")

DAYS = text(
    """
    SELECT day::date AS date,
           coalesce(sum(total_views), 0)::bigint AS views,
           coalesce(sum(unique_visitors), 0)::bigint AS visitors,
           coalesce(sum(contact_phone_clicks + contact_whatsapp_clicks), 0)::bigint AS contacts,
           coalesce(sum(favorites), 0)::bigint AS favorites,
           coalesce(sum(shares), 0)::bigint AS shares
    FROM generate_series(
        (now() AT TIME ZONE :zone)::date - CAST(:days AS integer) + 1, (now() AT TIME ZONE :zone)::date, interval '1 day'
    ) AS day
    LEFT JOIN car_listing_daily_stats AS stats
        ON stats.date = day::date
       AND stats.car_listing_id = ANY(:listings)
    GROUP BY day
    ORDER BY day
    """
)
BEFORE = text(
    """
    SELECT coalesce(sum(total_views), 0)::bigint AS views,
           coalesce(sum(contact_phone_clicks + contact_whatsapp_clicks), 0)::bigint AS contacts
    FROM car_listing_daily_stats
    WHERE car_listing_id = ANY(:listings)
      AND date > (now() AT TIME ZONE :zone)::date - 2 * CAST(:days AS integer)
      AND date <= (now() AT TIME ZONE :zone)::date - CAST(:days AS integer)
    """
)

HOURS = text(
    """
    SELECT hour,
           coalesce(total_views, 0) AS views,
           coalesce(contact_phone_clicks + contact_whatsapp_clicks, 0) AS contacts,
           coalesce(total_events, 0) AS events
    FROM generate_series(
        date_trunc('hour', ((now() AT TIME ZONE :zone)::date - CAST(:days AS integer) + 1)::timestamp AT TIME ZONE :zone, 'UTC'),
        now(),
        interval '1 hour'
    ) AS hour
    LEFT JOIN analytics_hours USING (hour)
    ORDER BY hour
    """
)

EVENTS = text(
    """
    SELECT id,
           created_at,
           event_type,
           host(network(set_masklen(user_ip, CASE family(user_ip) WHEN 4 THEN 24 ELSE 48 END))) AS visitor
    FROM car_listing_analytics
    WHERE car_listing_id = :listing
    ORDER BY created_at DESC, id DESC
    LIMIT :limit
    """
)


class NoSuchSubject(LookupError):
    """There is no listing or provider of this id."""


@dataclass(frozen=True, slots=True)
class Day:
    """One business day. Of a provider, `visitors` counts who saw two of its listings twice."""

    date: date
    views: int
    visitors: int
    contacts: int
    favorites: int
    shares: int


@dataclass(frozen=True, slots=True)
class Report:
    """A listing or a provider, its days, the last of which is today, and what it got in as many
    days before them.
    """

    kind: str
    id: int
    name: str
    provider: str | None
    views_count: int
    days: tuple[Day, ...]
    views_before: int
    contacts_before: int

    @property
    def views(self) -> int:
        """Of all its days."""
        return sum(day.views for day in self.days)

    @property
    def contacts(self) -> int:
        """Of all its days: telephone and WhatsApp."""
        return sum(day.contacts for day in self.days)


def report(session: Session, kind: str, id: int, *, days: int, zone: str) -> Report:
    """What a `listing` or a `provider` got in the last so many days. Raises NoSuchSubject."""
    subject = session.execute(LISTING if kind == "listing" else PROVIDER, {"id": id}).one_or_none()
    if subject is None:
        raise NoSuchSubject(f"there is no {kind} {id}")
    listings = [id] if kind == "listing" else list(session.scalars(LISTINGS_OF, {"id": id}))
    asked = {"listings": listings, "days": days, "zone": zone}
    before = session.execute(BEFORE, asked).one()
    return Report(
        kind,
        subject.id,
        subject.name,
        subject.provider,
        int(subject.views_count or 0),
        tuple(Day(*row) for row in session.execute(DAYS, asked)),
        before.views,
        before.contacts,
    )


def hours(session: Session, *, days: int, zone: str) -> Sequence[Any]:
    """What all listings together got in each hour of the last so many days, until the last
    roll-up.
    """
    return session.execute(HOURS, {"days": days, "zone": zone}).all()


def events(session: Session, listing: int, *, limit: int) -> Sequence[Any]:
    """A listing's last raw events, the newest first, with addresses truncated as in the archive."""
    return session.execute(EVENTS, {"listing": listing, "limit": limit}).all()
