"""Who may look at the pages, who is signed in, and who tries in vain."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

ENTER = """
INSERT INTO forecourt.people (name, role, password)
VALUES (%(name)s, %(role)s, %(password)s)
ON CONFLICT (name) DO UPDATE
SET role = excluded.role,
    password = excluded.password
RETURNING xmax = 0
"""

LIST = """
SELECT p.name, p.role, p.created_at, max(s.begun_at) AS seen_at
FROM forecourt.people AS p
LEFT JOIN forecourt.sessions AS s ON s.person = p.name
GROUP BY p.name
ORDER BY p.name
"""

BEGIN = """
INSERT INTO forecourt.sessions (digest, person, ends_at)
VALUES (%(digest)s, %(person)s, now() + %(lasts)s)
"""

SIGNED_IN = """
SELECT p.name, p.role
FROM forecourt.sessions AS s
JOIN forecourt.people AS p ON p.name = s.person
WHERE s.digest = %(digest)s
  AND s.ends_at > now()
"""

TRY = """
INSERT INTO forecourt.login_failures AS f (key, tries, ends_at)
VALUES (%(key)s, 1, now() + %(window)s)
ON CONFLICT (key) DO UPDATE
SET tries = CASE WHEN f.ends_at > now() THEN f.tries + 1 ELSE 1 END,
    ends_at = CASE WHEN f.ends_at > now() THEN f.ends_at ELSE excluded.ends_at END
RETURNING tries, ends_at
"""

# Who waits for one of these has counted nothing that this transaction still needs.
FORGET_TRIES = """
DELETE FROM forecourt.login_failures
WHERE key IN (
    SELECT key
    FROM forecourt.login_failures
    WHERE ends_at < now()
    FOR UPDATE SKIP LOCKED
)
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """Somebody who may sign in, and when a session of theirs that is kept last began."""

    name: str
    role: str
    created_at: datetime
    seen_at: datetime | None


def enter(tx: Connection[Any], name: str, role: str, password: str) -> bool:
    """Let somebody in from now on, or change their role and password, which ends their sessions.
    `password` is a hash. Returns whether the name is new."""
    new = bool(tx.execute(ENTER, {"name": name, "role": role, "password": password}).fetchall()[0][0])
    if not new:
        tx.execute("DELETE FROM forecourt.sessions WHERE person = %(name)s", {"name": name})
    return new


def remove(tx: Connection[Any], name: str) -> bool:
    """Let somebody in no more; their sessions end. False for a name that nobody has."""
    return tx.execute("DELETE FROM forecourt.people WHERE name = %(name)s", {"name": name}).rowcount > 0


def listed(tx: Connection[Any]) -> list[Listed]:
    """Everybody who may sign in."""
    with tx.cursor(row_factory=class_row(Listed)) as cursor:
        return cursor.execute(LIST).fetchall()


def known(tx: Connection[Any]) -> bool:
    """Whether there is anybody."""
    return bool(tx.execute("SELECT EXISTS (SELECT FROM forecourt.people)").fetchall()[0][0])


def password_of(tx: Connection[Any], name: str) -> tuple[str, str] | None:
    """The hash of somebody's password, and their role."""
    row = tx.execute("SELECT password, role FROM forecourt.people WHERE name = %(name)s", {"name": name}).fetchone()
    return None if row is None else (row[0], row[1])


def begin_session(tx: Connection[Any], digest: bytes, person: str, lasts: timedelta) -> None:
    """Sign somebody in; sessions that are over are forgotten."""
    tx.execute("DELETE FROM forecourt.sessions WHERE ends_at < now()")
    tx.execute(BEGIN, {"digest": digest, "person": person, "lasts": lasts})


def end_session(tx: Connection[Any], digest: bytes) -> None:
    """Sign out."""
    tx.execute("DELETE FROM forecourt.sessions WHERE digest = %(digest)s", {"digest": digest})


def signed_in(tx: Connection[Any], digest: bytes) -> tuple[str, str] | None:
    """Whose session it is, and their role; None when it is over."""
    row = tx.execute(SIGNED_IN, {"digest": digest}).fetchone()
    return None if row is None else (row[0], row[1])


def count_try(tx: Connection[Any], key: str, window: timedelta) -> tuple[int, datetime]:
    """Count one more try, for so long from the first. Returns how many that makes, and until when
    they count. It is counted before anybody knows whether it was in vain: of a hundred at the same
    moment each sees another number.
    """
    count, ends_at = tx.execute(TRY, {"key": key, "window": window}).fetchall()[0]
    return count, ends_at


def forget_tries(tx: Connection[Any]) -> None:
    """Forget those that are over; last in a transaction, or two of them would wait for each
    other.
    """
    tx.execute(FORGET_TRIES)


def forgive(tx: Connection[Any], own: str, shared: str) -> None:
    """A try was not in vain: forget all of its own key, and this one of the key that it shares with
    others.
    """
    tx.execute("DELETE FROM forecourt.login_failures WHERE key = %(key)s", {"key": own})
    tx.execute("UPDATE forecourt.login_failures SET tries = tries - 1 WHERE key = %(key)s", {"key": shared})
