"""Gives programs tokens, and takes them back."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from psycopg import Connection

from forecourt.operations.people import require_name
from forecourt.store import audit, tokens
from forecourt.store.tokens import Token

SCOPES = ("read", "operate", "admin", "events", "photos", "push")
"""What a token may be good for. The first three are what viewer, operator, admin may: each includes
the ones before, admin all.
"""

PREFIX = "forecourt_"
"""By which a token that lies where it should not, in a repository or a log, is recognised."""


class NameTaken(ValueError):
    """There is a token of this name."""


def add(
    tx: Connection[Any], name: str, scopes: Sequence[str], *, lasts: timedelta | None = None, who: str
) -> tuple[str, Token]:
    """Make a token, and return its text, which is kept nowhere, and what is. Without `lasts` it is
    good until it is removed. Raises ValueError for a name or a scope that will not do,
    NameTaken."""
    require_name(name)
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise ValueError(f"{unknown[0]!r} is not one of {', '.join(SCOPES)}")
    if not scopes:
        raise ValueError(f"a token without a scope may do nothing; there is {', '.join(SCOPES)}")
    if lasts is not None and lasts <= timedelta(0):
        raise ValueError("a token lasts longer than nothing")
    text = PREFIX + secrets.token_urlsafe(32)
    ordered = [scope for scope in SCOPES if scope in scopes]
    kept = tokens.enter(tx, name, digest(text), ordered, lasts=lasts, who=who)
    if kept is None:
        raise NameTaken(f"there is a token named {name!r}: remove it first, or choose another name")
    audit.record(tx, who, "web token add", {"name": name, "scopes": ordered, "ends_at": kept.ends_at})
    return text, kept


def remove(tx: Connection[Any], name: str, *, who: str) -> bool:
    """Take a token back. False for a name that none has."""
    if not tokens.remove(tx, name):
        return False
    audit.record(tx, who, "web token remove", {"name": name})
    return True


def digest(text: str) -> bytes:
    """What is kept of a token. It has 256 random bits, so nothing slower than this is needed."""
    return hashlib.sha256(text.encode()).digest()
