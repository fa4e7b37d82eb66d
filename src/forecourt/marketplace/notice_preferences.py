"""What each user wants to be told, by kind of notice: by mail at once, in a digest, or not at all;
by Web Push and Apprise at once or not at all.

In the app everybody is told everything: that costs nobody's attention.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

from psycopg import Connection

Wish: TypeAlias = Literal["now", "digest", "never"]
Channel: TypeAlias = Literal["mail", "push", "apprise"]
DIGEST = "digest"
EVERY = "*"
"""Stands for every kind that has no wish of its own."""

WISHES = """
SELECT kind, said
FROM public.notice_preferences
CROSS JOIN LATERAL (
    SELECT CASE %(channel)s::text WHEN 'mail' THEN mail WHEN 'push' THEN push WHEN 'apprise' THEN apprise END
) AS of_channel(said)
WHERE user_id = %(user_id)s
  AND said IS NOT NULL
ORDER BY kind
"""
# Nothing is entered for a user who is gone, and nothing forgotten of the other channels.
PREFER = """
INSERT INTO public.notice_preferences (user_id, kind, mail, push, apprise)
SELECT
    id, %(kind)s,
    CASE WHEN %(channel)s::text = 'mail' THEN %(wish)s::text END,
    CASE WHEN %(channel)s::text = 'push' THEN %(wish)s::text END,
    CASE WHEN %(channel)s::text = 'apprise' THEN %(wish)s::text END
FROM public.users
WHERE id = %(user_id)s
ON CONFLICT (user_id, kind) DO UPDATE
SET mail = coalesce(excluded.mail, notice_preferences.mail),
    push = coalesce(excluded.push, notice_preferences.push),
    apprise = coalesce(excluded.apprise, notice_preferences.apprise),
    changed_at = now()
"""


def wishes(tx: Connection[Any], user_id: int, channel: Channel = "mail") -> dict[str, Wish]:
    """All that the user ever said of a channel, by kind."""
    return dict(tx.execute(WISHES, {"user_id": user_id, "channel": channel}).fetchall())


def wish_of(wanted: Mapping[str, Wish], kind: str) -> Wish:
    """What somebody who said this wants of a kind; `now` for one who never said. Digests end only
    when they are named: who wants no mails but one kind, in a digest, gets it."""
    return wanted.get(kind, "now" if kind == DIGEST else wanted.get(EVERY, "now"))


def wish(tx: Connection[Any], user_id: int, kind: str, channel: Channel = "mail") -> Wish:
    """What the user wants of this kind by this channel."""
    return wish_of(wishes(tx, user_id, channel), kind)


def prefer(tx: Connection[Any], user_id: int, kind: str, wanted: str, channel: Channel = "mail") -> bool:
    """Enter what a user wants of a kind, or of every kind (`*`), in the caller's transaction. False
    for a user who is not there. Raises ValueError for what cannot be wanted."""
    known = get_args(Wish) if channel == "mail" else ("now", "never")
    if wanted not in known:
        raise ValueError(f"{wanted!r} is not one of {', '.join(known)}, which is what there is by {channel}")
    said = {"user_id": user_id, "kind": kind, "channel": channel, "wish": wanted}
    return tx.execute(PREFER, said).rowcount == 1
