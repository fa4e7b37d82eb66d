"""What became of what came in by the other ways, and what a sponsorship that ended had brought."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from forecourt.demo.places import counted
from forecourt.demo.ways_in import CameIn
from forecourt.marketplace.kinds import SponsorshipExpired
from forecourt.settings import settings

EVENTS = text(
    """
    SELECT count(*) AS kept, count(*) FILTER (WHERE event_type = 'bot') AS of_programs
    FROM car_listing_analytics
    WHERE created_at >= :began
    """
)
PHOTO = text("SELECT photos -> 0 FROM car_listings WHERE id = :listing")
ENDED = text(
    """
    SELECT (data ->> 'listing_id')::bigint AS listing_id, (data ->> 'sponsored_until')::timestamptz AS sponsored_until
    FROM notifications
    WHERE kind = 'sponsorship_expired'
      AND created_at >= :began
    ORDER BY data ->> 'sponsored_until', id
    LIMIT 1
    """
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One way in, and what became of what came. `off` is what is not as it should be, if
    anything.
    """

    way: str
    became: str
    off: str | None = None


def arrivals(tx: Session, began: datetime, came: CameIn) -> Iterator[Arrival]:
    """Each way in, and the way back of a sponsorship."""
    found = tx.execute(EVENTS, {"began": began}).one()
    yield Arrival(
        "events by SQL and HTTP",
        f"{found.kept} kept, {found.of_programs} of a messenger, which is no view; HTTP answered: {came.answer}",
        None if found.kept == came.events else f"{found.kept} events are kept, {came.events} came in",
    )
    photo = tx.scalars(PHOTO, {"listing": came.listing}).one()
    made = photo and (settings().storage / photo["preview"]["key"]).is_file()
    yield Arrival(
        "a photo by HTTP",
        f"call {came.photo}, {len(photo['variants'])} widths and {settings().storage / photo['preview']['key']}"
        if made
        else "nothing",
        None if made else f"listing {came.listing} has no photo from call {came.photo}",
    )
    yield Arrival("a dry run of an import", f"{came.would} ({came.file})")
    if (ended := tx.execute(ENDED, {"began": began}).one_or_none()) is not None:
        facts = {**ended._mapping, "zone": str(settings().zone)}
        brought = tx.execute(text(SponsorshipExpired.now), facts).one()
        views, contacts = counted(brought.brought_views, "view"), counted(brought.brought_contacts, "contact")
        yield Arrival(
            "a sponsorship that ended",
            f"listing {ended.listing_id}: {views} and {contacts} from {brought.first_day} to {brought.last_day}, which its owner "
            "is told",
        )
