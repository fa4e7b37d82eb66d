"""Finds out who asks: by a token, by a trusted proxy's word, by a session's cookie, or by asking
from this machine while nobody is known who could sign in.

Through a proxy everybody seems to ask from this machine. What gives that away is the name in the
Host header, and the headers by which proxies say for whom they ask: such a request has to sign in,
and without anybody who could, it is refused.
"""

import secrets
import time
from collections.abc import Callable
from datetime import timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forecourt.database.address import libpq_url
from forecourt.language import gettext as _
from forecourt.operations.tokens import digest
from forecourt.store import people
from forecourt.web import bearer, database, proxy
from forecourt.web.guard import OWN_NAMES, hostname, is_loopback
from forecourt.web.people import ANYBODY_HERE, Person, Role

COOKIE = "forecourt_session"
LASTS = timedelta(hours=12)
REMEMBERED = 5.0
"""Seconds for which an answer is remembered: so long may somebody go on who was removed."""

MOST_REMEMBERED = 1000
BEARER = b"bearer "
"""Before the digest of a program's token, so that a session's is none."""

FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

AHEAD = 1.0
"""Seconds before its end in which one asker finds an answer out anew, while all others go by the
old one: a busy program's requests would otherwise all ask the database at the same moment."""

_remembered: dict[tuple[str, bytes], tuple[float, Person | None]] = {}
_renewed: set[tuple[str, bytes]] = set()
"""What somebody finds out anew just now."""


class SignIn(Exception):
    """Who asks has to sign in first."""


def identify(request: Request) -> Person:
    """Who asks. Raises SignIn, or HTTPException where nobody could, or for a token that is good for
    nothing.
    """
    shown = bearer.shown(request.headers)
    if shown is not None:
        return _of_token(shown) or bearer.refuse(request)
    if person := proxy.named(request):
        return person
    token = request.cookies.get(COOKIE, "")
    if token and (person := _of_session(digest(token))):
        return person
    if _anybody_known():
        raise SignIn
    if not _from_here(request):
        raise HTTPException(
            403, _("Nobody is known who could sign in. On the server: forecourt web user add NAME --role admin")
        )
    return ANYBODY_HERE


def at_hand(request: Request) -> Person | None:
    """Who asks, if that was found out a moment ago by the token that is shown now: without a
    thread, for many small requests.
    """
    shown = bearer.shown(request.headers)
    return None if shown is None else at_hand_of(shown)


def at_hand_of(token: str) -> Person | None:
    """Whose token it is, if that was found out a moment ago. None as well for the one who is to
    find it out anew.
    """
    key = (libpq_url(), BEARER + digest(token))
    ends, person = _remembered.get(key, (0.0, None))
    left = ends - time.monotonic()
    if left < AHEAD and left > 0 and key not in _renewed:
        _renewed.add(key)
        return None
    return person if left > 0 else None


def begin(request: Request, answer: Response, name: str) -> None:
    """Sign somebody in: the session's token goes to the browser, its digest into the database."""
    token = secrets.token_urlsafe(32)
    with database.acting() as tx:
        people.begin_session(tx, digest(token), name, LASTS)
    secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
    answer.set_cookie(COOKIE, token, max_age=int(LASTS.total_seconds()), httponly=True, samesite="lax", secure=secure)


def end(request: Request, answer: Response) -> None:
    """Sign out."""
    token = request.cookies.get(COOKIE, "")
    with database.acting() as tx:
        people.end_session(tx, digest(token))
    _remembered.clear()
    answer.delete_cookie(COOKIE)


def _from_here(request: Request) -> bool:
    named = hostname(f"//{request.headers.get('host', '')}") in OWN_NAMES
    near = is_loopback(proxy.peer(request)) and not proxy.is_trusted(request)
    return near and named and not any(name in request.headers for name in FORWARDED)


def _of_token(shown: str) -> Person | None:
    key = digest(shown)
    return _recall(BEARER + key, lambda: bearer.holder(key))


def _of_session(key: bytes) -> Person | None:
    def look() -> Person | None:
        with database.reading() as seen:
            found = people.signed_in(seen.tx, key)
        return None if found is None else Person(found[0], Role[found[1].upper()])

    return _recall(key, look)


def _anybody_known() -> bool:
    def look() -> Person | None:
        with database.reading() as seen:
            return ANYBODY_HERE if people.known(seen.tx) else None

    return _recall(b"", look) is not None


def _recall(key: bytes, look: Callable[[], Person | None]) -> Person | None:
    """What is remembered of a key of this database, or what is found now."""
    full = (libpq_url(), key)
    now = time.monotonic()
    # Looked up once: whoever signs out meanwhile, in another thread, has all of it forgotten.
    ends, person = _remembered.get(full, (0.0, None))
    if ends > now and full not in _renewed:
        return person
    try:
        found = look()
    finally:
        _renewed.discard(full)
    if len(_remembered) >= MOST_REMEMBERED:
        _remembered.clear()
    _remembered[full] = (now + REMEMBERED, found)
    return found
