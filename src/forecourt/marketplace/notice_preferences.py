"""What each user wants to be told by mail: at once, in a digest, or not at all, by kind of notice.

In the app everybody is told everything: that costs nobody's attention.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

from psycopg import Connection

Wish: TypeAlias = Literal["now", "digest", "never"]
DIGEST = "digest"
EVERY = "*"
"""Stands for every kind that has no wish of its own."""

WISHES = """
SELECT kind, mail
FROM public.notice_preferences
WHERE user_id = %(user_id)s
ORDER BY kind
"""
# Nothing is entered for a user who is gone.
PREFER = """
INSERT INTO public.notice_preferences (user_id, kind, mail)
SELECT id, %(kind)s, %(wish)s
FROM public.users
WHERE id = %(user_id)s
ON CONFLICT (user_id, kind) DO UPDATE
SET mail = excluded.mail,
    changed_at = now()
"""


def wishes(tx: Connection[Any], user_id: int) -> dict[str, Wish]:
    """All that the user ever said, by kind."""
    return dict(tx.execute(WISHES, {"user_id": user_id}).fetchall())


def wish_of(wanted: Mapping[str, Wish], kind: str) -> Wish:
    """What somebody who said this wants of a kind; `now` for one who never said. Digests end only
    when they are named: who wants no mails but one kind, in a digest, gets it."""
    return wanted.get(kind, "now" if kind == DIGEST else wanted.get(EVERY, "now"))


def wish(tx: Connection[Any], user_id: int, kind: str) -> Wish:
    """What the user wants of this kind."""
    return wish_of(wishes(tx, user_id), kind)


def prefer(tx: Connection[Any], user_id: int, kind: str, wanted: str) -> bool:
    """Enter what a user wants of a kind, or of every kind (`*`), in the caller's transaction. False
    for a user who is not there. Raises ValueError for what cannot be wanted."""
    if wanted not in get_args(Wish):
        raise ValueError(f"{wanted!r} is not one of {', '.join(get_args(Wish))}")
    return tx.execute(PREFER, {"user_id": user_id, "kind": kind, "wish": wanted}).rowcount == 1
