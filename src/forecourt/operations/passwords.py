"""Passwords as they are kept: scrypt, each with a salt of its own and its costs beside it."""

import hmac
import secrets
from base64 import b64decode, b64encode
from hashlib import scrypt

COST, BLOCK, LANES = 2**15, 8, 1
"""32 MB and about 60 ms for each try."""

MEMORY = 128 * 1024 * 1024


def hashed(password: str) -> str:
    """What is kept of a password."""
    salt = secrets.token_bytes(16)
    digest = scrypt(password.encode(), salt=salt, n=COST, r=BLOCK, p=LANES, maxmem=MEMORY)
    return "$".join(("scrypt", str(COST), str(BLOCK), str(LANES), b64encode(salt).decode(), b64encode(digest).decode()))


def fits(password: str, kept: str) -> bool:
    """Whether it is the password of which `kept` was made. Takes as long for a wrong one as for the
    right one.
    """
    _, cost, block, lanes, salt, digest = kept.split("$")
    made = scrypt(password.encode(), salt=b64decode(salt), n=int(cost), r=int(block), p=int(lanes), maxmem=MEMORY)
    return hmac.compare_digest(made, b64decode(digest))
