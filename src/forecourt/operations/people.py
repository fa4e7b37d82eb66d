"""Lets people in, and out."""

import re
from typing import Any

from psycopg import Connection

from forecourt.operations import passwords
from forecourt.store import audit, people

NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
SHORTEST, LONGEST = 10, 1000
ROLES = ("viewer", "operator", "admin")


def add(tx: Connection[Any], name: str, role: str, password: str, *, who: str) -> bool:
    """Let somebody sign in with this password, or change theirs and their role, which ends their
    sessions. Returns whether they are new. Raises ValueError for a name or a password that will not
    do."""
    require_name(name)
    if role not in ROLES:
        raise ValueError(f"{role!r} is not one of {', '.join(ROLES)}")
    if not SHORTEST <= len(password) <= LONGEST:
        raise ValueError(f"a password has {SHORTEST} to {LONGEST} characters, this one {len(password)}")
    new = people.enter(tx, name, role, passwords.hashed(password))
    audit.record(tx, who, "web user add", {"name": name, "role": role, "new": new})
    return new


def require_name(name: str) -> None:
    """Raise ValueError for what neither somebody nor a token can be called."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be a name: expected up to 64 of a-z 0-9 . _ @ -, with a letter or digit first"
        )


def remove(tx: Connection[Any], name: str, *, who: str) -> bool:
    """Let somebody sign in no more; who is signed in is out. False for a name that nobody has."""
    if not people.remove(tx, name):
        return False
    audit.record(tx, who, "web user remove", {"name": name})
    return True
