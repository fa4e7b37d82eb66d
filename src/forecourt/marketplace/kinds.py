"""The kinds of notice: whom each is for, the facts that it holds, and when it is no longer news.

A notice keeps its facts as they were when it was told. What its mail says about money or views is
read again when the mail is sent (`now`): a mail may wait for hours, for its server or for a retry.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar, TypeAlias
from urllib.parse import quote

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class SponsorshipExpired:
    """To the owner: the paid placement of a listing is over."""

    kind: ClassVar = "sponsorship_expired"
    still_true: ClassVar = """
        SELECT EXISTS (
            SELECT FROM car_listings
            WHERE id = :listing_id
              AND deleted_at IS NULL
              AND NOT (is_sponsored AND coalesce(sponsored_until > now(), true))
        )"""
    moot: ClassVar = "the listing is sponsored again, or gone"
    # Its days, from the daily stats; the last of them are counted from their events, since it ends
    # before the night rolls them up.
    now: ClassVar = """
        WITH placed AS (
            SELECT views_count,
                   (CASE
                        WHEN sponsored_since < :sponsored_until
                            THEN greatest(sponsored_since, :sponsored_until - interval '90 days')
                        ELSE :sponsored_until - interval '30 days'
                    END AT TIME ZONE :zone)::date AS first_day,
                   ((:sponsored_until - interval '1 microsecond') AT TIME ZONE :zone)::date AS last_day
            FROM car_listings
            WHERE id = :listing_id
        ),
        rolled_up AS (
            SELECT date, total_views AS views, contact_phone_clicks + contact_whatsapp_clicks AS contacts
            FROM car_listing_daily_stats, placed
            WHERE car_listing_id = :listing_id
              AND date BETWEEN first_day AND last_day
        ),
        fresh AS (
            SELECT (created_at AT TIME ZONE :zone)::date AS date,
                   count(*) FILTER (WHERE event_type = 'view') AS views,
                   count(*) FILTER (WHERE event_type IN ('contact_phone', 'contact_whatsapp')) AS contacts
            FROM car_listing_analytics
            WHERE car_listing_id = :listing_id
              AND created_at >= :sponsored_until - interval '3 days'
              AND created_at < :sponsored_until
            GROUP BY 1
        ),
        counted AS (
            SELECT * FROM rolled_up
            UNION ALL
            SELECT * FROM fresh
            WHERE date NOT IN (SELECT date FROM analytics_days)
        ),
        by_day AS (
            SELECT day::date AS day, coalesce(views, 0) AS views, coalesce(contacts, 0) AS contacts
            FROM placed
            CROSS JOIN generate_series(first_day, last_day, interval '1 day') AS day
            LEFT JOIN counted ON counted.date = day
        )
        SELECT min(views_count) AS views,
               coalesce(sum(by_day.views), 0)::bigint AS brought_views,
               coalesce(sum(contacts), 0)::bigint AS brought_contacts,
               min(day) AS first_day,
               max(day) AS last_day,
               array_agg(by_day.views ORDER BY day) AS views_by_day
        FROM placed, by_day"""

    listing_id: int
    title: str
    slug: str
    sponsored_until: datetime
    views: int

    @property
    def dedupe_key(self) -> str:
        return f"{self.kind}:{self.listing_id}:{self.sponsored_until.astimezone(UTC).isoformat()}"

    @property
    def path(self) -> str:
        return renewal_path(self.slug)


@dataclass(frozen=True, slots=True)
class SponsorshipEnding:
    """To the owner, some days before: the paid placement of a listing is about to end."""

    kind: ClassVar = "sponsorship_ending"
    still_true: ClassVar = """
        SELECT EXISTS (
            SELECT FROM car_listings
            WHERE id = :listing_id
              AND deleted_at IS NULL
              AND is_sponsored
              AND sponsored_until = :sponsored_until
              AND sponsored_until > now()
        )"""
    moot: ClassVar = "the sponsorship was renewed, or is over, or the listing is gone"
    now: ClassVar = None

    listing_id: int
    title: str
    slug: str
    sponsored_until: datetime

    @property
    def dedupe_key(self) -> str:
        return f"{self.kind}:{self.listing_id}:{self.sponsored_until.astimezone(UTC).isoformat()}"

    @property
    def path(self) -> str:
        return renewal_path(self.slug)


@dataclass(frozen=True, slots=True)
class LowWalletBalance:
    """To a provider's user: the prepaid wallet is running dry, or empty.

    `on` is the business day of the warning, `since` the instant at which the wallet was first found
    low.
    """

    kind: ClassVar = "low_wallet_balance"
    still_true: ClassVar = """
        SELECT EXISTS (
            SELECT FROM car_providers
            WHERE id = :provider_id
              AND wallet_balance < wallet_limit(wallet_currency, low_wallet_limit)
              AND is_active
        )"""
    moot: ClassVar = "the wallet was topped up, or the provider is no longer active"
    now: ClassVar = """
        SELECT wallet_balance AS balance,
               wallet_currency AS currency,
               wallet_limit(wallet_currency, low_wallet_limit) AS threshold
        FROM car_providers
        WHERE id = :provider_id"""

    provider_id: int
    provider: str
    balance: Decimal
    currency: str
    threshold: Decimal
    on: date
    since: datetime | None = None

    @property
    def dedupe_key(self) -> str:
        return f"{self.kind}:{self.provider_id}:{self.on}"

    @property
    def path(self) -> str:
        return "/wallet"


@dataclass(frozen=True, slots=True)
class RefusedPhoto:
    """One photo of a set: its position from 1, and why it was refused, as a code."""

    position: int
    code: str


@dataclass(frozen=True, slots=True)
class PhotosRefused:
    """To the owner: of a set of photos some could not be accepted, and `accepted` were. `upload`
    says which set it was.
    """

    kind: ClassVar = "photos_refused"
    still_true: ClassVar = "SELECT EXISTS (SELECT FROM car_listings WHERE id = :listing_id AND deleted_at IS NULL)"
    moot: ClassVar = "the listing is gone"
    now: ClassVar = None

    listing_id: int
    title: str
    slug: str
    upload: str
    total: int
    refused: tuple[RefusedPhoto, ...]
    accepted: int = 0

    @property
    def dedupe_key(self) -> str:
        return f"{self.kind}:{self.listing_id}:{self.upload}"

    @property
    def path(self) -> str:
        return listing_path(self.slug)


@dataclass(frozen=True, slots=True)
class Digest:
    """To whoever has several notices to be told in one mail; `of` says which. The notices name it
    in their column `digest`.
    """

    kind: ClassVar = "digest"
    still_true: ClassVar = "SELECT true"
    moot: ClassVar = "nothing of what it would tell is still true, or wanted"
    now: ClassVar = None

    of: str

    @property
    def dedupe_key(self) -> str:
        return f"{self.kind}:{self.of}"

    @property
    def path(self) -> str:
        return "/notifications"


Notice: TypeAlias = SponsorshipEnding | SponsorshipExpired | LowWalletBalance | PhotosRefused | Digest
KINDS = (SponsorshipEnding, SponsorshipExpired, LowWalletBalance, PhotosRefused, Digest)
STORED: dict[str, TypeAdapter[Any]] = {kind.kind: TypeAdapter(kind) for kind in KINDS}
"""How each kind is read from its row, and written into it."""


def listing_path(slug: str) -> str:
    """The listing's page, below the marketplace's address."""
    return f"/car-listings/{quote(slug, safe='')}"


def renewal_path(slug: str) -> str:
    """Where its owner renews the listing's placement."""
    return f"{listing_path(slug)}/renew"
