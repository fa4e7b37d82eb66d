"""The kinds of notice: whom each is for, the facts that it holds, and when it is no longer news.

A notice keeps its facts as they were when it was told. What its mail says about money or views is read again when the mail is
sent (`now`): a mail may wait for hours, for its server or for a retry.
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
    now: ClassVar = "SELECT views_count AS views FROM car_listings WHERE id = :listing_id"

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
        return listing_path(self.slug)


@dataclass(frozen=True, slots=True)
class LowWalletBalance:
    """To a provider's user: the prepaid wallet is running dry, or empty.

    `on` is the business day of the warning, `since` the instant at which the wallet was first found low.
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
    """To the owner: of a set of photos some could not be accepted, and `accepted` were. `upload` says which set it was."""

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


Notice: TypeAlias = SponsorshipExpired | LowWalletBalance | PhotosRefused
STORED: dict[str, TypeAdapter[Any]] = {
    kind.kind: TypeAdapter(kind) for kind in (SponsorshipExpired, LowWalletBalance, PhotosRefused)
}
"""How each kind is read from its row, and written into it."""


def listing_path(slug: str) -> str:
    """The listing's page, below the marketplace's address."""
    return f"/car-listings/{quote(slug, safe='')}"
