"""How settings are read that are more than text. Each function raises ValueError, in words for
whoever wrote the setting.
"""

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from forecourt import bucket_address

if TYPE_CHECKING:
    from urllib.parse import SplitResult

SHORTEST_SECRET = 16

LANGUAGES = ("en", "ar")
"""In which mails are written."""


def truth(text: str) -> bool:
    """true, yes, on or 1; false, no, off or 0"""
    if text.lower() in ("true", "yes", "on", "1"):
        return True
    if text.lower() in ("false", "no", "off", "0"):
        return False
    raise ValueError(f"expected true or false, not {text!r}")


def zone(text: str) -> str:
    """Asia/Damascus"""
    # localtime and posixrules are another zone on each machine, and right/... counts leap seconds.
    if text[:1].isupper() and text != "Factory":
        with suppress(KeyError, ValueError, OSError):  # unknown, outside of the database, a folder of it
            return ZoneInfo(text).key
    raise ValueError(f"{text!r} is not an IANA time zone, such as Asia/Damascus or Europe/Berlin")


def postgresql_url(text: str) -> str:
    """postgresql://user:password@host:port/name"""
    if not text.startswith("postgresql://") or "@" in text.partition("@")[2].partition("?")[0]:
        raise ValueError("expected postgresql://user:password@host:port/name, with @ : / ? # % in the password escaped")
    return text


def _address(text: str, *schemes: str) -> "SplitResult | None":
    from urllib.parse import urlsplit  # here: most processes set no such address, and every command reads the settings

    with suppress(ValueError):  # the port is no number (but part of a password), or the brackets of IPv6 are not closed
        parts = urlsplit(text)
        if parts.scheme in schemes and parts.hostname and parts.port != 0:
            return parts
    return None


def absolute_url(text: str) -> str:
    """https://cars.example/shop, without what stands behind a ? or #"""
    if not text.startswith(("http://", "https://")):
        raise ValueError(f"{text!r} must start with http:// or https://")
    parts = _address(text, "http", "https")
    if parts is None or parts.query or parts.fragment or any(letter.isspace() for letter in text):
        raise ValueError(
            f"{text!r} is not an address such as https://cars.example, with no ?, # or space behind the host"
        )
    return text.rstrip("/")


def origins(text: str) -> tuple[str, ...]:
    """https://m.cars.example, https://cars.example"""
    found = tuple(absolute_url(part.strip()).lower() for part in text.split(","))
    for origin in found:
        if origin.count("/") > 2:
            raise ValueError(f"{origin!r} must end with its host, as in https://m.cars.example")
    return found


def languages(text: str) -> tuple[tuple[str, str], ...]:
    """en,ar=/ar"""
    found = []
    for part in text.split(","):
        code, _, prefix = part.strip().partition("=")
        if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z]{2,4})?", code) or not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", prefix):
            raise ValueError(f"expected languages and what their addresses go on with, such as en,ar=/ar, not {text!r}")
        found.append((code, prefix))
    if len(dict(found)) < len(found) or len({prefix for _, prefix in found}) < len(found):
        raise ValueError(f"two languages of {text!r} have one code, or one address")
    return tuple(found)


def indexnow_key(text: str) -> str:
    """The key that search engines look for."""
    if not re.fullmatch(r"[a-z0-9-]{8,128}", text):
        raise ValueError("expected 8 to 128 of a-z, 0-9 and -")
    return text


def folder(text: str) -> Path:
    """A folder that is there."""
    if not Path(text).is_dir():
        raise ValueError(f"{text!r} is not a folder")
    return Path(text).absolute()


def port(text: str) -> int:
    """1 to 65535"""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ValueError(f"expected a port from 1 to 65535, not {text!r}")
    return int(text)


def networks(text: str) -> tuple[str, ...]:
    """10.0.0.5, 10.1.0.0/16"""
    from ipaddress import ip_network

    found = [part.strip() for part in text.split(",") if part.strip()]
    for part in found:
        try:
            network = ip_network(part)
        except ValueError:
            raise ValueError(f"{part!r} is neither an address nor a network such as 10.1.0.0/16") from None
        if network.prefixlen == 0:
            raise ValueError(f"{part!r} is everybody, who could then say that they are anybody")
    return tuple(found)


def header(text: str) -> str:
    """X-Forwarded-User"""
    if not text.isascii() or not all(letter.isalnum() or letter == "-" for letter in text):
        raise ValueError(f"{text!r} is not the name of a header, such as X-Forwarded-User")
    return text


def one_of(*words: str) -> Callable[[str], str]:
    """A reader of one of these words."""

    def chosen(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r} is not one of {', '.join(words)}")
        return text

    return chosen


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


def sender(text: str) -> str:
    """Forecourt <no-reply@cars.example>"""
    from email.utils import parseaddr

    local, _, domain = parseaddr(text)[1].rpartition("@")
    if not local or not domain or not text.isprintable():
        raise ValueError(f"expected Name <name@example.com>, not {text!r}")
    return text


def smtp_url(text: str) -> str:
    """smtp://user:password@host:port; what it says may be a secret, so errors do not repeat it"""
    if _address(text, "smtp", "smtps") is None:
        raise ValueError(
            "expected smtp://user:password@host:port or smtps://host, with special characters of user and password "
            "percent-encoded (/ is %2F, @ is %40)"
        )
    return text


def machine(text: str) -> str:
    """web-1"""
    if not text.isprintable() or len(text) > 100 or any(letter.isspace() or letter == "," for letter in text):
        raise ValueError(f"expected a name without spaces and commas, such as web-1, not {text!r:.80}")
    return text


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
    if _address(text, "http", "https") is None or not text.isascii() or any(letter.isspace() for letter in text):
        raise ValueError(f"{text!r} is not an address such as https://monitor.example/ping/1234")
    return text


def apprise(text: str) -> tuple[str, ...]:
    """tgram://token/chat ntfy://topic; what it says is a secret, so errors do not repeat it"""
    from importlib.util import find_spec

    if find_spec("apprise") is None:
        raise ValueError("needs Apprise, which is not installed here: pip install 'forecourt[apprise]'")
    found = tuple(dict.fromkeys(text.split()))
    for position, address in enumerate(found, start=1):
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://[!-~]+", address):
            raise ValueError(
                f"number {position} is not an address of Apprise's, such as ntfy://topic; spaces stand between several"
            )
    return found


READERS: Mapping[str, Callable[[str], Any]] = {
    "replica_url": postgresql_url,
    "pooled": truth,
    "var": Path,
    "storage_url": bucket_address.read,
    "timezone": zone,
    "base_url": absolute_url,
    "queue_limits": limits,
    "host": machine,
    "smtp_url": smtp_url,
    "mail_from": sender,
    "alert_mail": readers,
    "alert_webhook": url,
    "alert_webhook_language": one_of(*LANGUAGES),
    "alert_apprise": apprise,
    "alert_secret": secret,
    "alert_quiet_hours": hours,
    "clock_ping": url,
    "report_mail": readers,
    "event_origins": origins,
    "watermark": Path,
    "languages": languages,
    "photos_url": absolute_url,
    "indexnow_key": indexnow_key,
    "mail_templates": folder,
    "log_level": one_of("DEBUG", "INFO", "WARNING", "ERROR"),
    "log_format": one_of("auto", "text", "json"),
    "web_port": port,
    "web_trusted_proxy": networks,
    "web_trusted_proxy_user": header,
    "web_trusted_proxy_role": header,
}
"""How the settings that are more than text are read. Each raises ValueError."""
