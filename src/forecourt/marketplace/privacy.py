"""What is held on one person: told whole, or taken away.

A person is a user, with their providers, the listings that they own, and everything that hangs on
these. Who looked at the listings is somebody else, so events are told without addresses; so is who
owns other listings of their providers.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from forecourt.database import session as transaction
from forecourt.marketplace.archive_erasure import Cut, cut_from_archives, in_archives
from forecourt.marketplace.folder import Folder
from forecourt.marketplace.trash import purge
from forecourt.settings import settings

USER = text(
    "SELECT id, email FROM users WHERE id::text = :who OR lower(email) = lower(:who) ORDER BY id::text = :who DESC LIMIT 1"
)
PROVIDERS = text("SELECT id FROM car_providers WHERE user_id = :user ORDER BY id")
LISTINGS = text("SELECT id FROM car_listings WHERE owner_id = :user ORDER BY id")
PHOTOS = text(
    """
    SELECT DISTINCT unnest(photo_keys(photos)) AS key
    FROM car_listings
    WHERE id = ANY(CAST(:listings AS bigint[]))
    ORDER BY key
    """
)

EXPORTED = {
    "user": text("SELECT to_jsonb(held) FROM users AS held WHERE id = :user"),
    "providers": text("SELECT to_jsonb(held) FROM car_providers AS held WHERE user_id = :user ORDER BY id"),
    "listings": text(
        "SELECT to_jsonb(held) FROM car_listings AS held WHERE id = ANY(CAST(:listings AS bigint[])) ORDER BY id"
    ),
    "notices": text("SELECT to_jsonb(held) FROM notifications AS held WHERE user_id = :user ORDER BY created_at, id"),
    "deliveries": text(
        """
        SELECT to_jsonb(held)
        FROM notice_deliveries AS held
        JOIN notifications ON notifications.id = notification_id
        WHERE user_id = :user
        ORDER BY held.id
        """
    ),
    "preferences": text("SELECT to_jsonb(held) FROM notice_preferences AS held WHERE user_id = :user ORDER BY kind"),
    "webhooks": text("SELECT to_jsonb(held) - 'secret' FROM notice_webhooks AS held WHERE user_id = :user"),
    "browsers": text(
        "SELECT to_jsonb(held) - 'auth' FROM push_subscriptions AS held WHERE user_id = :user ORDER BY id"
    ),
    "apprise": text(
        """
        SELECT to_jsonb(held) || jsonb_build_object('url', split_part(url, ':', 1))
        FROM notice_apprise AS held
        WHERE user_id = :user
        """
    ),
    "mailbox_refusals": text(
        "SELECT to_jsonb(held) FROM mailbox_refusals AS held WHERE address = lower(btrim(:email))"
    ),
    "import_errors": text(
        """
        SELECT to_jsonb(held)
        FROM import_errors AS held
        WHERE position('(' || lower(:email) || ')' IN lower(why)) > 0
        ORDER BY run_id, number
        """
    ),
    "stats": text(
        """
        SELECT to_jsonb(held)
        FROM car_listing_daily_stats AS held
        WHERE car_listing_id = ANY(CAST(:listings AS bigint[]))
        ORDER BY date, car_listing_id
        """
    ),
    "events": text(
        """
        SELECT to_jsonb(held) - 'user_ip'
        FROM car_listing_analytics AS held
        WHERE car_listing_id = ANY(CAST(:listings AS bigint[]))
        ORDER BY created_at, id
        """
    ),
}

MAILS = text("SELECT message_id FROM notifications WHERE user_id = :user AND message_id IS NOT NULL")
THROW_AWAY = text(
    "UPDATE car_listings SET deleted_at = coalesce(deleted_at, now()) WHERE id = ANY(CAST(:listings AS bigint[]))"
)
FORGET_RESTORED = text(
    "DELETE FROM car_listing_analytics_restored WHERE car_listing_id = ANY(CAST(:listings AS bigint[]))"
)
# A call that failed names its uploads until it is forgotten; one that waits gives them up itself.
GIVE_UP_UPLOADS = text(
    """
    WITH uploads AS (
        SELECT key #>> '{}' AS key
        FROM forecourt.failed
        CROSS JOIN jsonb_path_query(args, '$.images[*] ? (@ starts with "incoming/")') AS key
        WHERE job = 'process_car_images'
          AND args ->> 'listing_id' = ANY(CAST(:listings AS text[]))
    ),
    given_up AS (
        INSERT INTO blob_deletions (keys)
        SELECT array_agg(key) FROM uploads HAVING count(*) > 0
    )
    SELECT count(*) FROM uploads
    """
)
FORGET_REFUSAL = text("DELETE FROM mailbox_refusals WHERE address = lower(btrim(:email))")
# PostgreSQL names the value that was there already. Tried again, such a row would bring the person
# back.
FORGET_IMPORT_ERRORS = text("DELETE FROM import_errors WHERE position('(' || lower(:email) || ')' IN lower(why)) > 0")
FORGET_WAYS = (
    text("DELETE FROM push_subscriptions WHERE user_id = :user"),
    text("DELETE FROM notice_apprise WHERE user_id = :user"),
    text("DELETE FROM notice_webhooks WHERE user_id = :user"),
)
FORGET_NOTICES = text("DELETE FROM notifications WHERE user_id = :user")
FORGET_PROVIDER = text("DELETE FROM car_providers WHERE id = :id")
FORGET_USER = text("DELETE FROM users WHERE id = :user")
# What another table needs stays as a row that says nothing.
BLANK_PROVIDER = text("UPDATE car_providers SET name = 'erased', is_active = false, updated_at = now() WHERE id = :id")
BLANK_USER = text(
    """
    UPDATE users
    SET name = 'erased',
        email = NULL,
        phone = NULL,
        timezone = NULL,
        updated_at = now()
    WHERE id = :user
    """
)

FINISHED_CALLS = text(
    """
    SELECT count(*)
    FROM (
        SELECT args FROM forecourt.done
        UNION ALL
        SELECT args FROM forecourt.failed
    ) AS calls
    WHERE args ->> 'listing_id' = ANY(CAST(:listings AS text[]))
    """
)


class NoSuchPerson(LookupError):
    """There is no user of this id or address."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user, and what is theirs."""

    id: int
    email: str | None
    providers: tuple[int, ...]
    listings: tuple[int, ...]
    photos: tuple[str, ...]

    def asked(self) -> dict[str, Any]:
        """The parameters of the statements."""
        return {
            "user": self.id,
            "email": self.email,
            "listings": list(self.listings),
        }


@dataclass(slots=True)
class Erasure:
    """What went, by name; what stays, and why; and what was cut from the archive."""

    user: int
    gone: dict[str, int] = field(default_factory=dict)
    stays: list[str] = field(default_factory=list)
    archive: Cut = field(default_factory=Cut)


def person(session: Session, who: str) -> Person:
    """The user with this id or mail address. Raises NoSuchPerson."""
    found = session.execute(USER, {"who": who}).one_or_none()
    if found is None:
        raise NoSuchPerson(f"there is no user with the id or the mail address {who!r}")
    providers = tuple(session.scalars(PROVIDERS, {"user": found.id}))
    listings = tuple(session.scalars(LISTINGS, {"user": found.id}))
    photos = tuple(session.scalars(PHOTOS, {"listings": list(listings)}))
    return Person(found.id, found.email, providers, listings, photos)


def export(session: Session, whose: Person) -> dict[str, Any]:
    """Everything that is held on a person, by kind: rows as the database has them, the keys of
    photos, and the archived events.
    """
    held: dict[str, Any] = {name: list(session.scalars(rows, whose.asked())) for name, rows in EXPORTED.items()}
    held["photos"] = list(whose.photos)
    held["archived_events"] = asdict(in_archives(whose.listings))
    return held


def erase(who: str, *, dry_run: bool = False) -> Erasure:
    """Take away everything that is held on a person, and say what was. With `dry_run` the same
    statements run and are undone, and the archive is only counted.

    The archive first, file by file, each whole or not at all; then all rows in one transaction, by
    whose commit photos go to the reaper. Killed on the way, it may be asked again. Raises
    NoSuchPerson.
    """
    with transaction() as tx:
        whose = person(tx, who)
        erasure = Erasure(whose.id)
        mails = list(tx.scalars(MAILS, whose.asked()))
        # Before its listings are forgotten: a run that is killed finds them again.
        erasure.archive = in_archives(whose.listings) if dry_run else cut_from_archives(tx, whose.listings)
        outbox = Folder(settings().outbox)
        filed = [name for name in map(_mail_file, mails) if outbox.exists(name)]
        if not dry_run:
            for name in filed:
                outbox.delete(name)
        _forget_rows(tx, whose, erasure)
        erasure.gone["filed mails"] = len(filed)
        if dry_run:
            tx.rollback()
    return erasure


def _mail_file(message_id: str) -> str:
    return f"{message_id.strip('<>').partition('@')[0]}.eml"


def _forget_rows(tx: Session, whose: Person, erasure: Erasure) -> None:
    asked = whose.asked()
    erasure.gone["restored events"] = tx.execute(FORGET_RESTORED, asked).rowcount  # type: ignore[attr-defined]
    tx.execute(THROW_AWAY, asked)
    uploads = tx.scalars(GIVE_UP_UPLOADS, {"listings": [str(id) for id in whose.listings]}).one()
    emptied = purge(tx, 0, list(whose.listings))
    erasure.gone |= {
        "listings": emptied.gone["deleted"],
        "rows of stats": emptied.gone["stats"],
        "events": emptied.gone["events"],
        "photo files": emptied.gone["files"],
        "uploads": uploads,
        "notices": tx.execute(FORGET_NOTICES, asked).rowcount,  # type: ignore[attr-defined]
        "browsers, webhooks and the like": sum(tx.execute(way, asked).rowcount for way in FORGET_WAYS),  # type: ignore[attr-defined]
        "refusals of the mailbox": tx.execute(FORGET_REFUSAL, asked).rowcount,  # type: ignore[attr-defined]
        "refused rows of imports": tx.execute(FORGET_IMPORT_ERRORS, asked).rowcount,  # type: ignore[attr-defined]
    }
    erasure.stays += [f"listing {kept.listing_id} stays: {kept.why}" for kept in emptied.kept]
    providers = [_forget(tx, FORGET_PROVIDER, BLANK_PROVIDER, {"id": id}) for id in whose.providers]
    erasure.gone["providers"] = providers.count(None)
    erasure.stays += [
        f"provider {id} stays as a row without a name: {why}"
        for id, why in zip(whose.providers, providers, strict=True)
        if why
    ]
    why = _forget(tx, FORGET_USER, BLANK_USER, asked)
    erasure.gone["users"] = int(why is None)
    if why:
        erasure.stays.append(f"user {whose.id} stays as a row without a name: {why}")
    if calls := tx.scalars(FINISHED_CALLS, {"listings": [str(id) for id in whose.listings]}).one():
        erasure.stays.append(
            f"{calls} finished calls name listings by number: they go by themselves, failed ones when forgotten"
        )


def _forget(tx: Session, delete: Any, blank: Any, asked: dict[str, Any]) -> str | None:
    """Delete a row, or blank it where another table needs it, and return why."""
    try:
        with tx.begin_nested():
            tx.execute(delete, asked)
    except IntegrityError as refused:
        tx.execute(blank, asked)
        return str(refused.orig.diag.message_primary)  # type: ignore[union-attr]
    return None
