"""How the settings are read that are lists: queues with limits, addresses, people with a language. Each function raises
ValueError, in words for whoever wrote the setting."""

import math
from datetime import time

SHORTEST_SECRET = 16

LANGUAGES = ("en", "ar")
"""In which mails are written."""


def limits(text: str) -> tuple[tuple[str, float], ...]:
    """high=30,low=3600"""
    found: dict[str, float] = {}
    for part in text.split(","):
        queue, _, written = (word.strip() for word in part.partition("="))
        try:
            seconds = float(written)
        except ValueError:
            seconds = 0.0
        if not queue or not 0 < seconds < math.inf:
            raise ValueError(f"expected queues with seconds such as high=30,low=3600, not {part.strip()!r}")
        found[queue] = seconds
    return tuple(found.items())


def hours(text: str) -> tuple[time, time]:
    """22:00-07:00"""
    try:
        begin, end = (time.fromisoformat(part.strip()) for part in text.split("-"))
    except ValueError:
        begin = end = time()
    if begin == end or begin.tzinfo or end.tzinfo:
        raise ValueError(f"expected two times of the day such as 22:00-07:00, not {text!r}")
    return begin, end


def addresses(text: str) -> tuple[str, ...]:
    """ops@cars.example, anna@cars.example"""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    for address in found:
        local, _, domain = address.rpartition("@")
        if not local or not domain or any(letter.isspace() or not letter.isprintable() for letter in address):
            raise ValueError(
                f"{address!r} is not a mail address such as ops@cars.example; commas stand between several"
            )
    return found


def readers(text: str) -> tuple[tuple[str, str], ...]:
    """anna@cars.example, omar@cars.example ar"""
    found = []
    for words in (part.split() for part in text.split(",") if part.strip()):
        language = words[1] if len(words) == 2 else "en"
        if len(words) > 2 or language not in LANGUAGES:
            raise ValueError(
                f"expected addresses, each with a language of {' or '.join(LANGUAGES)} or none, such as "
                f"anna@cars.example, omar@cars.example ar, not {' '.join(words)!r}"
            )
        found += [(address, language) for address in addresses(words[0])]
    return tuple(found)


def secret(text: str) -> str:
    """whsec_ and base64, or a text that is long enough."""
    if text.startswith("whsec_"):
        from base64 import b64decode

        try:
            b64decode(text.removeprefix("whsec_"), validate=True)
        except ValueError:
            raise ValueError("what follows whsec_ must be base64") from None
    if len(text) < SHORTEST_SECRET:
        raise ValueError(f"a secret has {SHORTEST_SECRET} characters or more")
    return text


def url(text: str) -> str:
    """https://monitor.example/ping/1234?wait=true"""
    from urllib.parse import urlsplit  # here: most processes set no such address, and every command reads the settings

    try:
        parts = urlsplit(text)
        complete = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number, or the brackets of an IPv6 address are not closed
        complete = False
    if not complete or not text.isascii() or any(letter.isspace() for letter in text):
        raise ValueError(f"{text!r} is not an address such as https://monitor.example/ping/1234")
    return text
