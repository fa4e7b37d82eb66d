"""Troubles from their first sight to their end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

KEEP = 90
"""Days that what is over is kept."""

FIRST = """
INSERT INTO forecourt.watches (application, looked_at)
VALUES (%(application)s, '-infinity')
ON CONFLICT (application) DO NOTHING
"""

# Of all who watch an application one gets the turn, and holds the row until its transaction ends.
TURN = """
UPDATE forecourt.watches
SET looked_at = now()
WHERE application = (
    SELECT application
    FROM forecourt.watches
    WHERE application = %(application)s
      AND looked_at < now() - make_interval(secs => %(every)s)
    FOR UPDATE SKIP LOCKED
)
"""

OPEN = """
SELECT id, began_at, told_at, well_since, lasts, subject, status, told_status, found, advice
FROM forecourt.alerts
WHERE application = %(application)s
  AND ended_at IS NULL
ORDER BY id
"""

BEGIN = """
INSERT INTO forecourt.alerts (application, began_at, lasts, subject, status, found, advice)
VALUES (%(application)s, %(at)s, %(lasts)s, %(subject)s, %(status)s, %(found)s, %(advice)s)
RETURNING id, began_at, told_at, well_since, lasts, subject, status, told_status, found, advice
"""

GO_ON = """
UPDATE forecourt.alerts
SET status = %(status)s,
    found = %(found)s,
    advice = %(advice)s,
    well_since = NULL
WHERE id = %(id)s
RETURNING id, began_at, told_at, well_since, lasts, subject, status, told_status, found, advice
"""

TOLD = """
UPDATE forecourt.alerts
SET told_status = status,
    told_at = coalesce(told_at, %(at)s)
WHERE id = ANY (%(ids)s)
"""

WELL = "UPDATE forecourt.alerts SET well_since = %(at)s WHERE id = ANY (%(ids)s)"

END = "UPDATE forecourt.alerts SET ended_at = %(at)s WHERE id = ANY (%(ids)s)"

# Of what nobody watches any more nobody will say that it is over: a machine that is gone, an
# application.
FORGET = """
DELETE FROM forecourt.alerts AS a
WHERE id = ANY (%(ids)s)
   OR ended_at < now() - make_interval(days => %(keep)s)
   OR (ended_at IS NULL AND (
          SELECT looked_at < now() - interval '1 day'
          FROM forecourt.watches AS w
          WHERE w.application = a.application
      ))
"""

LATEST = """
SELECT id, began_at, told_at, ended_at, subject, status, found, advice
FROM forecourt.alerts
ORDER BY ended_at IS NOT NULL, coalesce(ended_at, began_at) DESC, id DESC
LIMIT %(limit)s
"""

TOLD_AT = """
SELECT max(told_at)
FROM forecourt.alerts
WHERE application = %(application)s
  AND subject = %(subject)s
"""

WATCH = """
SELECT coalesce(
           (SELECT extract(epoch FROM now() - looked_at)::float8 FROM forecourt.watches WHERE application = %(application)s),
           'infinity'
       ) AS looked_ago,
       (SELECT count(*)
        FROM forecourt.alert_messages
        WHERE sent_at IS NULL
          AND created_at < now() - interval '5 minutes') AS unsent
"""


@dataclass(frozen=True, slots=True)
class Alert:
    """A trouble that is not over. `told_status`: what somebody has been told of it; `well_since`:
    nothing is wrong any more, but that may be a pause. One that does not last has no end to
    tell."""

    id: int
    began_at: datetime
    told_at: datetime | None
    well_since: datetime | None
    lasts: bool
    subject: str
    status: str
    told_status: str | None
    found: str
    advice: str


@dataclass(frozen=True, slots=True)
class Episode:
    """A trouble, over or not, and when somebody was told of it."""

    id: int
    began_at: datetime
    told_at: datetime | None
    ended_at: datetime | None
    subject: str
    status: str
    found: str
    advice: str


@dataclass(frozen=True, slots=True)
class Watch:
    """How many seconds ago somebody looked, infinity for never; how many messages could not be sent
    for five minutes.
    """

    looked_ago: float
    unsent: int


def turn(tx: Connection[Any], application: str, every: float) -> bool:
    """Whether it is this process's turn to look: nobody has for so many seconds, and nobody does
    now.
    """
    tx.execute(FIRST, {"application": application})
    return tx.execute(TURN, {"application": application, "every": every}).rowcount == 1


def open_ones(tx: Connection[Any], application: str) -> list[Alert]:
    """Every trouble that is not over."""
    with tx.cursor(row_factory=class_row(Alert)) as cursor:
        return cursor.execute(OPEN, {"application": application}).fetchall()


def begin(
    tx: Connection[Any],
    application: str,
    at: datetime,
    *,
    subject: str,
    status: str,
    found: str,
    advice: str,
    lasts: bool,
) -> Alert:
    """Note a trouble that was not there before."""
    facts = {"application": application, "at": at} | {
        "subject": subject,
        "status": status,
        "found": found,
        "advice": advice,
        "lasts": lasts,
    }
    with tx.cursor(row_factory=class_row(Alert)) as cursor:
        return cursor.execute(BEGIN, facts).fetchall()[0]


def go_on(tx: Connection[Any], id: int, *, status: str, found: str, advice: str) -> Alert:
    """Note how a trouble stands now."""
    facts = {"id": id, "status": status, "found": found, "advice": advice}
    with tx.cursor(row_factory=class_row(Alert)) as cursor:
        return cursor.execute(GO_ON, facts).fetchall()[0]


def told(tx: Connection[Any], ids: Sequence[int], at: datetime) -> None:
    """Note that somebody is told of these as they are now."""
    tx.execute(TOLD, {"ids": list(ids), "at": at})


def well(tx: Connection[Any], ids: Sequence[int], at: datetime) -> None:
    """Note that nothing is wrong with these any more."""
    tx.execute(WELL, {"ids": list(ids), "at": at})


def end(tx: Connection[Any], ids: Sequence[int], at: datetime) -> None:
    """Note that these are over."""
    tx.execute(END, {"ids": list(ids), "at": at})


def forget(tx: Connection[Any], ids: Sequence[int]) -> None:
    """Remove these, of which nobody was told, and what was over long ago."""
    tx.execute(FORGET, {"ids": list(ids), "keep": KEEP})


def latest(tx: Connection[Any], limit: int) -> list[Episode]:
    """The latest troubles, those first that are not over."""
    with tx.cursor(row_factory=class_row(Episode)) as cursor:
        return cursor.execute(LATEST, {"limit": limit}).fetchall()


def told_at(tx: Connection[Any], application: str, subject: str) -> datetime | None:
    """When somebody was last told of a trouble with this name."""
    at: datetime | None = tx.execute(TOLD_AT, {"application": application, "subject": subject}).fetchall()[0][0]
    return at


def watch(tx: Connection[Any], application: str) -> Watch:
    """Whether somebody watches, and can tell."""
    with tx.cursor(row_factory=class_row(Watch)) as cursor:
        return cursor.execute(WATCH, {"application": application}).fetchall()[0]
