"""Tokens by which programs ask: of each its digest, what it may do, and until when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

ENTER = """
INSERT INTO forecourt.tokens (name, digest, scopes, created_by, ends_at)
VALUES (%(name)s, %(digest)s, %(scopes)s, %(who)s, now() + %(lasts)s)
ON CONFLICT (name) DO NOTHING
RETURNING name, scopes, created_by, created_at, ends_at, used_at
"""

LIST = """
SELECT name, scopes, created_by, created_at, ends_at, used_at
FROM forecourt.tokens
ORDER BY name
"""

# When it was last used is for whoever tidies up: to the hour is enough, and costs no row a request.
FIND = """
SELECT name, scopes, coalesce(used_at < now() - interval '1 hour', true) AS stale
FROM forecourt.tokens
WHERE digest = %(digest)s
  AND coalesce(ends_at > now(), true)
"""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is listed. `ends_at` None means that it lasts until it is removed; `used_at` is
    exact to an hour.
    """

    name: str
    scopes: list[str]
    created_by: str
    created_at: datetime
    ends_at: datetime | None
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Found:
    """Whose token it is that somebody showed. `stale`: its last use is to be noted."""

    name: str
    scopes: list[str]
    stale: bool


def enter(
    tx: Connection[Any], name: str, digest: bytes, scopes: Sequence[str], *, lasts: timedelta | None, who: str
) -> Token | None:
    """Keep a token; None when there is one of this name."""
    given = {"name": name, "digest": digest, "scopes": list(scopes), "lasts": lasts, "who": who}
    with tx.cursor(row_factory=class_row(Token)) as cursor:
        return cursor.execute(ENTER, given).fetchone()


def remove(tx: Connection[Any], name: str) -> bool:
    """Forget a token. False for a name that none has."""
    return tx.execute("DELETE FROM forecourt.tokens WHERE name = %(name)s", {"name": name}).rowcount > 0


def listed(tx: Connection[Any]) -> list[Token]:
    """Every token, also those that are over."""
    with tx.cursor(row_factory=class_row(Token)) as cursor:
        return cursor.execute(LIST).fetchall()


def known(tx: Connection[Any]) -> bool:
    """Whether there is any."""
    return bool(tx.execute("SELECT EXISTS (SELECT FROM forecourt.tokens)").fetchall()[0][0])


def find(tx: Connection[Any], digest: bytes) -> Found | None:
    """The token of this digest; None when there is none, or none any more."""
    with tx.cursor(row_factory=class_row(Found)) as cursor:
        return cursor.execute(FIND, {"digest": digest}).fetchone()


def note_use(tx: Connection[Any], name: str) -> None:
    """It has been used now."""
    tx.execute("UPDATE forecourt.tokens SET used_at = now() WHERE name = %(name)s", {"name": name})
