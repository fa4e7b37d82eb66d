"""What may be imported: the columns of each kind, how a value of another system becomes one of
ours, and which must be there.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address
from typing import Any
from zoneinfo import ZoneInfo

import orjson

Reader = Callable[[Any, ZoneInfo], Any]

_WHOLE = re.compile(r"\s*([0-9]{1,19})(?:\.0+)?\s*").fullmatch
TYPES = ("view", "contact_phone", "contact_whatsapp", "favorite", "share", "bot")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file may hold. `table`: what it is called in a dump. `needed`: columns without which a
    row is nothing.
    """

    name: str
    table: str
    columns: Mapping[str, Reader]
    needed: tuple[str, ...]


def text(value: Any, _: ZoneInfo) -> str:
    found = str(value).strip()
    if "\x00" in found:
        raise ValueError("there is a NUL in it")
    if not found:
        raise ValueError("it is empty")
    return found


def whole(value: Any, _: ZoneInfo) -> int:
    found = _WHOLE(str(value))
    if found is None or int(found[1]) >= 2**63:
        raise ValueError(f"{str(value)[:60]!r} is not a whole number")
    return int(found[1])


def money(value: Any, _: ZoneInfo) -> str:
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError(f"{str(value)[:60]!r} is not a number") from None
    if not found.is_finite() or abs(found) >= 10**10:
        raise ValueError(f"{str(value)[:60]!r} is not an amount")
    return f"{found:.2f}"


def truth(value: Any, _: ZoneInfo) -> bool:
    written = str(value).strip().lower()
    if written in ("1", "true", "t", "yes", "y", "b'1'"):
        return True
    if written in ("0", "false", "f", "no", "n", "b'0'"):
        return False
    raise ValueError(f"{str(value)[:60]!r} is neither true nor false")


def moment(value: Any, zone: ZoneInfo) -> str | None:
    """An instant, as ISO 8601 in UTC. One without an offset is in `zone`; MySQL's zero date is
    none.
    """
    if str(value).startswith("0000-00-00"):
        return None
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        found = (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{str(value)[:60]!r} is not a date and time such as 2026-11-27 13:00:00") from None
    if not 2000 <= found.year < 2100:
        raise ValueError(f"{str(value)[:60]!r} is not of this century")
    return found.isoformat()


def address(value: Any, _: ZoneInfo) -> str:
    """An address; one of IPv4 that was written as IPv6 (::ffff:203.0.113.7) is one of IPv4."""
    try:
        found = ip_address(str(value).strip())
    except ValueError:
        raise ValueError(f"{str(value)[:60]!r} is not an IP address") from None
    return str(getattr(found, "ipv4_mapped", None) or found)


def currency(value: Any, _: ZoneInfo) -> str:
    if not re.fullmatch(r"[A-Z]{3}", found := str(value).strip().upper()):
        raise ValueError(f"{str(value)[:60]!r} is not a currency such as USD")
    return found


def language(value: Any, _: ZoneInfo) -> str:
    found = str(value).strip().lower().replace("_", "-").partition("-")[0]
    if found not in ("en", "ar"):
        raise ValueError(f"{str(value)[:60]!r} is neither en nor ar")
    return found


def photos(value: Any, _: ZoneInfo) -> list[Any]:
    """A list of keys, or of what this marketplace makes of photos."""
    try:
        found = value if isinstance(value, list) else orjson.loads(str(value))
        orjson.dumps(found)  # a Parquet file may have in it what JSON has not
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        raise ValueError(f"{str(value)[:60]!r} is not a JSON list") from None
    if not isinstance(found, list):
        raise ValueError("it is not a list")
    return found


def event_type(value: Any, _: ZoneInfo) -> str:
    if (found := str(value).strip()) not in TYPES:
        raise ValueError(f"{found[:60]!r} is not one of {', '.join(TYPES)}")
    return found


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "users",
            "users",
            {
                "id": whole,
                "name": text,
                "email": text,
                "phone": text,
                "locale": language,
                "timezone": text,
                "created_at": moment,
                "updated_at": moment,
            },
            ("name",),
        ),
        Kind(
            "providers",
            "car_providers",
            {
                "id": whole,
                "user_id": whole,
                "name": text,
                "wallet_balance": money,
                "wallet_currency": currency,
                "is_verified": truth,
                "is_active": truth,
                "created_at": moment,
                "updated_at": moment,
            },
            ("user_id", "name"),
        ),
        Kind(
            "listings",
            "car_listings",
            {
                "id": whole,
                "owner_id": whole,
                "car_provider_id": whole,
                "title": text,
                "slug": text,
                "price": money,
                "photos": photos,
                "is_available": truth,
                "is_hidden": truth,
                "is_sponsored": truth,
                "sponsored_until": moment,
                "is_featured": truth,
                "featured_until": moment,
                "featured_position": whole,
                "views_count": whole,
                "created_at": moment,
                "updated_at": moment,
                "deleted_at": moment,
            },
            ("owner_id", "title", "slug"),
        ),
        Kind(
            "events",
            "car_listing_analytics",
            {"car_listing_id": whole, "event_type": event_type, "user_ip": address, "created_at": moment},
            ("car_listing_id", "event_type", "created_at"),
        ),
    )
}
