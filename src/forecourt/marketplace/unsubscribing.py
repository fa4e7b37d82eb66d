"""The link in each mail by which its reader ends mails of that kind, without signing in (RFC 8058).

Its token is the user's id, the kind and a signature of both: whoever has the mail can use it, and
nobody can make one for somebody else. It does not expire: a mail that was kept for years must still
be able to end mails.
"""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from psycopg import Connection

from forecourt.marketplace.address import public_address
from forecourt.marketplace.notice_preferences import Wish, prefer

PATH = "/unsubscribe/"

KEY = "SELECT key FROM public.notice_keys"


def link(tx: Connection[Any], user_id: int, kind: str) -> str:
    """The address for a user's mails of a kind."""
    return f"{public_address()}{PATH}{_token(tx, user_id, kind)}"


def whose(tx: Connection[Any], token: str) -> tuple[int, str] | None:
    """The user's id and the kind that a token stands for; None for one that we did not sign."""
    user, _, rest = token.partition(".")
    kind, _, _ = rest.partition(".")
    if not (user.isascii() and user.isdigit() and len(user) < 20 and kind.isascii()):
        return None
    good = hmac.compare_digest(_token(tx, int(user), kind).encode(), token.encode())
    return (int(user), kind) if good else None


def unsubscribe(tx: Connection[Any], token: str, wanted: Wish = "never") -> bool:
    """Do what the reader of a mail wants with further ones of its kind, in the caller's
    transaction. False for a token that we did not sign, or for a user who is gone."""
    found = whose(tx, token)
    return found is not None and prefer(tx, *found, wanted)


def _token(tx: Connection[Any], user_id: int, kind: str) -> str:
    key = str(tx.execute(KEY).fetchall()[0][0])
    signed = f"{user_id}.{kind}"
    digest = hmac.digest(key.encode(), f"unsubscribe {signed}".encode(), sha256)
    return f"{signed}.{urlsafe_b64encode(digest[:18]).decode()}"
