"""How far each task of the timetable has been evaluated, by each version of it: its name and its
fingerprint, which says when it is due."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg import Connection

# A version that is new, or that was replaced by another and is back, begins with this minute: what
# it would have done before is not made up, and what is due in the minute of its deploy is not lost.
# Back means that the other began after its last evaluation.
ENTER = """
INSERT INTO forecourt.tasks AS t (name, fingerprint, evaluated_until, begun_at)
SELECT name, fingerprint,
       coalesce(%(at)s, CASE WHEN often THEN now() ELSE date_trunc('minute', now()) - interval '1 microsecond' END),
       coalesce(%(at)s, now())
FROM unnest(%(names)s::text[], %(fingerprints)s::text[], %(often)s::boolean[]) AS given(name, fingerprint, often)
ORDER BY name, fingerprint
ON CONFLICT (name, fingerprint) DO UPDATE
SET evaluated_until = greatest(t.evaluated_until, excluded.evaluated_until),
    begun_at = excluded.begun_at
WHERE EXISTS (
    SELECT
    FROM forecourt.tasks AS o
    WHERE o.name = t.name
      AND o.fingerprint <> t.fingerprint
      AND o.begun_at > t.evaluated_until
      AND o.begun_at > t.begun_at
)
RETURNING t.name, t.xmax <> 0
"""

EVALUATED = """
SELECT name, evaluated_until
FROM forecourt.tasks
JOIN unnest(%(names)s::text[], %(fingerprints)s::text[]) AS given(name, fingerprint) USING (name, fingerprint)
"""

LOCK = """
SELECT name, evaluated_until
FROM forecourt.tasks
JOIN unnest(%(names)s::text[], %(fingerprints)s::text[]) AS given(name, fingerprint) USING (name, fingerprint)
ORDER BY name
FOR UPDATE OF tasks SKIP LOCKED
"""

# A task of which no clock knows yet has no row to lock.
ONE_BY_ONE = "SELECT pg_advisory_xact_lock(hashtextextended('forecourt.tasks', 0))"

LOCK_ONE = """
SELECT
FROM forecourt.tasks
WHERE name = %(name)s
ORDER BY fingerprint
FOR UPDATE
"""

ADVANCE = """
UPDATE forecourt.tasks AS t
SET evaluated_until = given.until
FROM unnest(%(names)s::text[], %(fingerprints)s::text[], %(untils)s::timestamptz[]) AS given(name, fingerprint, until)
WHERE t.name = given.name
  AND t.fingerprint = given.fingerprint
  AND t.evaluated_until < given.until
"""

REWIND = """
UPDATE forecourt.tasks AS t
SET evaluated_until = coalesce(%(at)s, now()),
    begun_at = least(t.begun_at, coalesce(%(at)s, now()))
FROM unnest(%(names)s::text[], %(fingerprints)s::text[]) AS given(name, fingerprint)
WHERE t.name = given.name
  AND t.fingerprint = given.fingerprint
  AND t.evaluated_until > coalesce(%(at)s, now()) + make_interval(secs => %(grace)s)
RETURNING t.name
"""

BEAT = """
INSERT INTO forecourt.clocks (host, heartbeat)
VALUES (%(host)s, %(heartbeat)s)
ON CONFLICT (host) DO UPDATE
SET beat_at = now(),
    heartbeat = excluded.heartbeat
"""

LIVENESS = """
SELECT (SELECT max(beat_at) FROM forecourt.clocks) AS clock,
       now() - (SELECT max(beat_at) FROM forecourt.clocks) AS clock_ago,
       now() - (SELECT max(beat_at) FROM forecourt.workers) AS worker_ago,
       coalesce((SELECT bool_or(heartbeat) FROM forecourt.clocks WHERE beat_at > now() - make_interval(secs => %(silence)s)), false)
"""

frozen: datetime | None = None
"""Where tests stub the clock, by `forecourt.testing.freeze`: an instant that stands for the
database's now.
"""


class Liveness(NamedTuple):
    """When a clock last said that it lives, how long ago that was and how long ago a worker did,
    and whether the application has a task that says more."""

    clock: datetime | None
    clock_ago: timedelta | None
    worker_ago: timedelta | None
    heartbeat: bool


class Version(NamedTuple):
    """A task as one application's timetable has it; on every server, one for each host."""

    name: str
    fingerprint: str


def enter(tx: Connection[Any], versions: Mapping[Version, bool], at: datetime | None) -> list[str]:
    """Make versions known, each with whether it repeats within the minute. A new one begins at
    `at`, exclusive, or with the minute that it is; one that repeats, now. Returns the names of
    those that are back after another version of their task had begun."""
    parameters = _arrays(list(versions)) | {"often": list(versions.values()), "at": at or frozen}
    rows = tx.execute(ENTER, parameters).fetchall()
    return [name for name, is_back in rows if is_back]


def evaluated(tx: Connection[Any], versions: Sequence[Version]) -> dict[str, datetime]:
    """Until when, inclusive, each has been evaluated."""
    return {row[0]: row[1] for row in tx.execute(EVALUATED, _arrays(versions))}


def lock(tx: Connection[Any], versions: Sequence[Version]) -> dict[str, datetime]:
    """Lock versions until the transaction ends, except those that another clock holds, with their
    evaluated-until.
    """
    return {row[0]: row[1] for row in tx.execute(LOCK, _arrays(versions))}


def take_turn(tx: Connection[Any]) -> None:
    """Let nobody else make tasks known, remove one or run one by hand until the transaction
    ends.
    """
    tx.execute(ONE_BY_ONE)


def lock_one(tx: Connection[Any], name: str) -> None:
    """Take the turn, wait for whoever has locked a version of this task, and let no clock evaluate
    one until the transaction ends.
    """
    take_turn(tx)
    tx.execute(LOCK_ONE, {"name": name})


def advance(tx: Connection[Any], until: Mapping[Version, datetime]) -> None:
    """Note until when, inclusive, versions have been evaluated. Nothing moves backwards."""
    tx.execute(ADVANCE, _arrays(list(until)) | {"untils": list(until.values())})


def rewind(tx: Connection[Any], versions: Sequence[Version], at: datetime | None, grace: float) -> list[str]:
    """Let versions that were evaluated more than `grace` seconds into the future go on from now,
    and return their names: the database's clock ran ahead once, and they would sleep until then."""
    return [row[0] for row in tx.execute(REWIND, _arrays(versions) | {"at": at or frozen, "grace": grace})]


def beat(tx: Connection[Any], host: str, *, heartbeat: bool) -> None:
    """Say that a host's clock lives, and whether its timetable has a task that says more."""
    tx.execute(BEAT, {"host": host, "heartbeat": heartbeat})


def liveness(tx: Connection[Any], silence: timedelta) -> Liveness:
    """Whether clocks and workers live. A clock that has been silent for so long has no say."""
    return Liveness(*tx.execute(LIVENESS, {"silence": silence.total_seconds()}).fetchall()[0])


def now(tx: Connection[Any]) -> datetime:
    """The database's clock, which is the clock."""
    if frozen is not None:
        return frozen
    row = tx.execute("SELECT now()").fetchone()
    assert row is not None
    return row[0]  # type: ignore[no-any-return]


def _arrays(versions: Sequence[Version]) -> dict[str, Any]:
    return {"names": [one.name for one in versions], "fingerprints": [one.fingerprint for one in versions]}
