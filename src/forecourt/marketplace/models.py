"""The marketplace's tables. Every time is an aware UTC instant; every default is the database's.

`updated_at` is set by whoever changes what a visitor sees, and by nobody else: it is the sitemap's
lastmod. The raw events of `car_listing_analytics` and the bookkeeping around them are used in SQL
alone (migration 0002).
"""

import datetime as dt
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Numeric, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """The marketplace's mapped tables, all in the schema `public`."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads a plain dict here
        int: BigInteger,
        str: Text,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
    }


class User(Base):
    """A person: an owner of listings, a provider's contact, a reader of notifications."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    email: Mapped[str | None] = mapped_column(unique=True)
    phone: Mapped[str | None]
    locale: Mapped[str] = mapped_column(server_default="en")
    """`en` or `ar`."""
    timezone: Mapped[str | None]
    """IANA zone; None means the business zone."""
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class CarProvider(Base):
    """A dealer or rental company, with a prepaid wallet."""

    __tablename__ = "car_providers"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str]
    wallet_balance: Mapped[Decimal] = mapped_column(Numeric(12, 2), server_default=text("0"))
    wallet_currency: Mapped[str] = mapped_column(server_default="USD")
    """ISO 4217, three capital letters."""
    low_wallet_notified_at: Mapped[datetime | None]
    """When the last low-balance notice was made, so that the next one keeps its distance."""
    low_wallet_limit: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    """Below which balance it is low; None: what its currency has in `wallet_limits`."""
    low_wallet_since: Mapped[datetime | None]
    """When the wallet was found low; None again when it was found well above."""
    wallet_emptied_at: Mapped[datetime | None]
    """Since when a wallet that held money holds none. The database sets it."""
    is_verified: Mapped[bool] = mapped_column(server_default=text("false"))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    user: Mapped[User] = relationship()


class CarListing(Base):
    """One car offered for sale or rent. `deleted_at` set means: in the trash."""

    __tablename__ = "car_listings"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    car_provider_id: Mapped[int | None] = mapped_column(ForeignKey("car_providers.id"))
    title: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    price: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    photos: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    """[{"key": main, "variants": [{"key", "width", "height", "bytes"}, ...], "preview": {as a
    variant}, "thumbhash", "dhash"}, ...]; a bare key is accepted too."""
    is_available: Mapped[bool] = mapped_column(server_default=text("true"))
    is_hidden: Mapped[bool] = mapped_column(server_default=text("false"))
    is_sponsored: Mapped[bool] = mapped_column(server_default=text("false"))
    sponsored_until: Mapped[datetime | None]
    sponsored_since: Mapped[datetime | None]
    """Since when without a break; None when that was before anybody noted it. The database sets
    it.
    """
    is_featured: Mapped[bool] = mapped_column(server_default=text("false"))
    featured_until: Mapped[datetime | None]
    featured_position: Mapped[int | None]
    views_count: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    deleted_at: Mapped[datetime | None]

    owner: Mapped[User] = relationship()
    car_provider: Mapped[CarProvider | None] = relationship()


class CarListingDailyStats(Base):
    """What one listing got on one business day. No foreign key: an event may outlive its listing by
    a night.
    """

    __tablename__ = "car_listing_daily_stats"

    car_listing_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    date: Mapped[dt.date] = mapped_column(primary_key=True)
    total_views: Mapped[int] = mapped_column(server_default=text("0"))
    unique_visitors: Mapped[int] = mapped_column(server_default=text("0"))
    contact_phone_clicks: Mapped[int] = mapped_column(server_default=text("0"))
    contact_whatsapp_clicks: Mapped[int] = mapped_column(server_default=text("0"))
    favorites: Mapped[int] = mapped_column(server_default=text("0"))
    shares: Mapped[int] = mapped_column(server_default=text("0"))
    total_events: Mapped[int] = mapped_column(server_default=text("0"))


class Notification(Base):
    """One thing told to one user, once: `dedupe_key` is unique. It is the in-app notice and the
    state of its mail.
    """

    __tablename__ = "notifications"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    dedupe_key: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    read_at: Mapped[datetime | None]
    mail_status: Mapped[str] = mapped_column(server_default="pending")
    """pending, sending, sent, filed (there is no mail server), suppressed, failed, or digest (with
    others, later).
    """
    mail_reason: Mapped[str | None]
    """Why it was put off, filed, suppressed or failed, in words."""
    mail_attempted_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    message_id: Mapped[str | None]
    digest: Mapped[UUID | None]
    """The notice whose mail tells this one with others."""

    user: Mapped[User] = relationship()
