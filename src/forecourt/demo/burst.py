"""The evening rush: views, photo sets, and three calls that will not go well, through the doors
that an application has.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from forecourt.database import session
from forecourt.database.connecting import connect
from forecourt.demo import jobs, ways_in
from forecourt.demo.photographs import uploads
from forecourt.demo.seed import Scale
from forecourt.demo.ways_in import CameIn
from forecourt.marketplace.photos import process_car_images
from forecourt.marketplace.views import increment_views_count

STEPS = 8
"""Of `walk_the_lot`."""

AT_ONCE = 1_000
"""Views that one transaction dispatches."""

# A listing in the trash may go tonight, with its views; nobody looks at those. Calls of a night
# that was broken off may still wait: their views will be counted tonight as well.
BEFORE = text(
    """
    SELECT now() AS began,
           (SELECT sum(views_count) FROM car_listings WHERE deleted_at IS NULL)::bigint AS counted,
           (SELECT count(*) FROM forecourt.ready WHERE job = 'increment_views_count')
           + (SELECT count(*) FROM forecourt.running WHERE job = 'increment_views_count')
           + (SELECT count(*) FROM forecourt.scheduled WHERE job = 'increment_views_count')
           + (SELECT coalesce(sum(views), 0) FROM views_to_count)::bigint AS waiting
    """
)
LISTINGS = text(
    """
    SELECT id
    FROM car_listings
    WHERE is_available
      AND NOT is_hidden
      AND deleted_at IS NULL
    ORDER BY demo.dice(id, :night, 1000000), id
    """
)

# What a front end in another language sends; here it is one statement for many visitors.
DISPATCH_IN_SQL = """
SELECT count(forecourt.dispatch('increment_views_count', jsonb_build_object('listing_id', listing)))
FROM unnest(%(listings)s::bigint[]) AS listing
"""


@dataclass(frozen=True, slots=True)
class Before:
    """The database before the rush: its time, the views counted on listings outside the trash, and
    the views that wait.
    """

    began: datetime
    counted: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What was dispatched: how many views and photo sets, the listings that get photos, and the ids
    of the other calls.
    """

    views: int
    photographed: tuple[int, ...]
    charge: int
    registry: int
    walk: int
    came_in: CameIn


def look() -> Before:
    """How things stand, at one instant."""
    with session() as reader:
        return Before(*reader.execute(BEFORE).one())


def send(scale: Scale, night: int, port: int, say: Callable[[str], None]) -> Sent:
    """Dispatch everything, and send the rest to the server at `port`. The same night of the same
    marketplace sends the same. Raises ProcessEnded.
    """
    with session() as reader:
        listings = list(reader.scalars(LISTINGS, {"night": night}))
    came_in = ways_in.come_in(night, listings[: scale.photo_sets + 1], port, say)
    walk = jobs.walk_the_lot.dispatch(night=night, steps=STEPS)
    charge = jobs.charge_expired_card.dispatch(provider_id=1)
    registry = jobs.ask_silent_registry.dispatch(listing_id=listings[0])
    say(f"calls {walk.id}, {charge.id} and {registry.id} are sent: one will be killed, one fails, one never ends")
    # Squares fall unevenly, as visitors do.
    viewed = [listings[position * position % len(listings)] for position in range(scale.views)]
    in_sql = viewed[: scale.views // 4]
    with connect() as front_end:
        front_end.execute(DISPATCH_IN_SQL, {"listings": in_sql})
    for first in range(len(in_sql), len(viewed), AT_ONCE):
        increment_views_count.dispatch_many([{"listing_id": id} for id in viewed[first : first + AT_ONCE]])
    say(f"{len(viewed):,} views are sent, {len(in_sql):,} of them from SQL")
    photographed = tuple(listings[: scale.photo_sets])
    process_car_images.dispatch_many(
        [{"images": uploads(night, number), "listing_id": id} for number, id in enumerate(photographed)]
    )
    say(f"{len(photographed)} photo sets are sent")
    views = len(viewed) + came_in.views
    return Sent(views, (*photographed, came_in.listing), charge.id, registry.id, walk.id, came_in)
