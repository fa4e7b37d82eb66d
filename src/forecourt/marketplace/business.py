"""What a business would change without a deploy: every figure with its default, its limits and what
it means, in one place.

    found = business(session)  # or a psycopg connection
    found.trash_days

Read once a call, in its transaction: a change holds from the next call on, and one call never sees
two answers. The table `business_settings` holds what differs from the defaults, as text, so that
SQL can read it as well: `SELECT business_setting('view_minutes', '30')`. Write it by
`forecourt settings set`, or by `business_changes`: both refuse what will not do. What somebody
wrote into the table by other means, and will not do, is a warning in the log and the default holds.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import time
from decimal import Decimal
from typing import Any

from forecourt.database import in_transaction_of
from forecourt.language import marked
from forecourt.marketplace.business_kinds import (
    Kind,
    decimal,
    hours_or_none,
    names,
    one_of,
    time_of_day,
    truth,
    whole,
    widths,
)

log = logging.getLogger(__name__)

WRITTEN = "SELECT name, value FROM public.business_settings"


def _setting(default: Any, kind: Kind, words: str) -> Any:
    return field(default=default, metadata={"kind": kind, "words": words})


PRIORITY = decimal("0", "1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Business:
    """The settings of the business, each as a duty or a page needs it."""

    wallet_limit: Decimal = _setting(
        Decimal(50),
        decimal("0.01", "9999999999"),
        marked("a wallet is low below it, where neither its provider nor its currency has a limit"),
    )
    wallet_recovered: Decimal = _setting(
        Decimal("1.2"), decimal("1", "10"), marked("a wallet that was low is well again at so many times its limit")
    )
    wallet_days: int = _setting(7, whole(1, 365), marked("business days from one warning about a wallet to the next"))

    reminder_days: int = _setting(
        3, whole(0, 90), marked("days before its end at which a placement's owner is reminded; 0: never")
    )

    trash_days: int = _setting(30, whole(0, 36_500), marked("days for which a listing lies in the trash"))
    archive_days: int = _setting(180, whole(1, 36_500), marked("days after which raw events are archived"))

    photos_most: int = _setting(20, whole(1, 100), marked("photos of one listing"))
    photo_widths: tuple[int, ...] = _setting(
        (1600, 800, 400), widths(), marked("widths of a photo's variants, in pixels")
    )
    photo_quality: int = _setting(80, whole(1, 100), marked("WebP quality of photos"))
    photo_sets: str = _setting(
        "whole",
        one_of("whole", "good"),
        marked("of a set with a bad photo: whole refuses all, good takes the good ones"),
    )

    visitor_address: str = _setting(
        "truncated",
        one_of("kept", "truncated", "hashed"),
        marked("a visitor's address: kept, truncated (/24, /48), or hashed with a daily salt"),
    )
    view_minutes: int = _setting(
        30, whole(0, 1440), marked("minutes in which a visitor's views of a listing count once")
    )
    programs: tuple[str, ...] = _setting(
        (), names(), marked("parts of user agents that are programs as well, and no visitors")
    )
    previews_count: bool = _setting(False, truth(), marked("whether a messenger's link preview counts as a view"))

    sitemap_home: Decimal = _setting(Decimal("1.0"), PRIORITY, marked("priority of the first page in the sitemap"))
    sitemap_pages: Decimal = _setting(Decimal("0.9"), PRIORITY, marked("priority of the other static pages"))
    sitemap_listings: Decimal = _setting(Decimal("0.8"), PRIORITY, marked("priority of listings"))
    sitemap_providers: Decimal = _setting(Decimal("0.7"), PRIORITY, marked("priority of providers"))

    quiet_hours: tuple[time, time] | None = _setting(
        None, hours_or_none(), marked("when nothing is sent, by its reader's own clocks")
    )
    mails_a_day: int = _setting(
        10, whole(1, 1000), marked("mails to one user on one day of theirs; the rest waits for the next")
    )
    digest_at: time = _setting(time(8), time_of_day(), marked("when a digest is sent, by its reader's own clocks"))


CURRENCIES: Mapping[str, Decimal] = {
    currency: Decimal(amount)
    for currency, amount in {
        "AED": 180, "BHD": 20, "DZD": 6500, "EGP": 2500, "EUR": 50, "GBP": 40, "IQD": 65000, "JOD": 35, "KWD": 15,
        "LBP": 4500000, "LYD": 250, "MAD": 500, "OMR": 20, "QAR": 180, "SAR": 190, "SYP": 500000, "TND": 150,
        "TRY": 2000, "USD": 50,
    }.items()
}  # fmt: skip
"""The limits of wallets in these currencies, `wallet_limit.KWD`, unless set otherwise: round
figures near 50 US dollars.
"""

KINDS: Mapping[str, Kind] = {each.name: each.metadata["kind"] for each in fields(Business)}
WORDS: Mapping[str, str] = {each.name: each.metadata["words"] for each in fields(Business)}
DEFAULTS = Business()


def business(transaction: object) -> Business:
    """The settings as they are in this transaction: a SQLAlchemy session's, or a psycopg
    connection's.
    """
    return of_texts(dict(in_transaction_of(transaction).execute(WRITTEN).fetchall()))


def of_texts(written: Mapping[str, str]) -> Business:
    """The settings that these texts make; what is unknown or will not do counts for nothing, with a
    warning in the log.
    """
    values: dict[str, Any] = {}
    for name, value in written.items():
        kind = KINDS.get(name)
        try:
            if kind is not None:
                values[name] = kind.read(value)
        except ValueError:
            log.warning("business setting %s is %r, expected %s: its default holds", name, value, KINDS[name].expected)
    return Business(**values)
