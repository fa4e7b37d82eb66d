"""Promises of what is held on one person: all of it is told, all of it goes, and nobody else's."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from showroom import listing, provider, user, wait_until_blocked
from sqlalchemy import text
from sqlalchemy.orm import Session
from steps import doomed
from traffic import event, events, midday, stats

from forecourt.cli import forecourt
from forecourt.cli.errors import Degraded, NotFound, Refused
from forecourt.database import engine, in_transaction_of
from forecourt.marketplace import archive_erasure, mailboxes, places
from forecourt.marketplace.analytics import aggregate_daily_analytics
from forecourt.marketplace.archive import archive_old_analytics
from forecourt.marketplace.archive_erasure import Cut, cut_from_archives
from forecourt.marketplace.folder import Folder
from forecourt.marketplace.models import CarListing, User
from forecourt.marketplace.restore import Archive, archives, restore, verify
from forecourt.marketplace.trash import reap_blobs
from forecourt.settings import settings

PHOTO, OTHERS_PHOTO = "photos/ab/cd/hers-800.webp", "photos/ab/cd/his-800.webp"


def run(*words: object, error: type[Exception] | None = None) -> Result:
    result = CliRunner().invoke(forecourt, [str(word) for word in words])
    assert type(result.exception) is error if error else result.exception is None, result.output
    return result


@pytest.fixture
def anna(session: Session) -> User:
    """A dealer with a provider, two listings, a photo, events of today and of last year, and a
    notice with its mail; and Omar, who has as much."""
    for name, key in (("Anna", PHOTO), ("Omar", OTHERS_PHOTO)):
        person = user(session, name, phone="+963 1", email=f"{name}@Example.com")
        dealer = provider(session, "10", user=person, name=f"{name}'s Cars")
        mine = listing(session, owner=person, photos=[key])
        theirs = listing(session, owner=person, car_provider_id=dealer.id)
        places.files().put(key, name.encode())
        for days in (1, 200, 230):
            for car in (mine, theirs):
                event(session, car.id, midday(session, days))
        session.execute(
            text("INSERT INTO notifications (user_id, kind, dedupe_key, message_id) VALUES (:id, 'k', :name, :mail)"),
            {"id": person.id, "name": name, "mail": f"<{name.lower()}1@cars>"},
        )
        subscribe = text("SELECT subscribe_to_push(:id, CAST(:subscription AS jsonb))")
        keys = {"p256dh": f"B{'x' * 86}", "auth": "x" * 22}
        browser = {"endpoint": f"https://push.example/{name}", "keys": keys}
        session.execute(subscribe, {"id": person.id, "subscription": json.dumps(browser)})
        Folder(settings().outbox).put(f"{name.lower()}1.eml", b"Dear")
        mailboxes.refuse(in_transaction_of(session), person.email or "", "550 5.1.1")
    session.execute(text("INSERT INTO import_runs (kind, file, digest) VALUES ('users', 'users.csv', 'x')"))
    session.execute(
        text(
            """
            INSERT INTO import_errors (run_id, number, line, why)
            SELECT import_runs.id, users.id, 2, format('Key (email)=(%s) already exists.', email)
            FROM import_runs, users
            WHERE users.name IN ('Anna', 'Omar')
            """
        )
    )
    aggregate_daily_analytics(session=session)
    session.commit()
    assert archive_old_analytics()["events"] == 8
    restore(archives()[0].path)
    return session.query(User).filter_by(name="Anna").one()


def archived() -> list[int]:
    """The listings of every archived event."""
    return sorted(
        row["car_listing_id"] for path in settings().archive.rglob("*.*") for row in pq.read_table(path).to_pylist()
    )


def test_an_export_has_everything_and_nothing_of_anybody_else(session: Session, anna: User, tmp_path: Path) -> None:
    whole = run("privacy", "export", anna.email).stdout
    held = json.loads(whole)
    assert {name: len(rows) for name, rows in held.items()} == {
        "user": 1, "providers": 1, "listings": 2, "notices": 1, "deliveries": 0, "preferences": 0, "webhooks": 0,
        "browsers": 1, "apprise": 0,
        "mailbox_refusals": 1, "import_errors": 1, "stats": 6, "events": 2, "photos": 1, "archived_events": 3,
    }  # fmt: skip
    assert held["archived_events"] == {"events": 4, "files": 1, "unreadable": []}
    assert held["user"][0]["phone"] == "+963 1"
    assert "Omar" not in whole
    assert "203.0.113" not in whole, "who looked is somebody else"
    run("privacy", "export", anna.id, "--to", tmp_path / "anna")
    assert (tmp_path / "anna" / PHOTO).read_bytes() == b"Anna"
    assert json.loads((tmp_path / "anna" / "data.json").read_text())["photos"] == [PHOTO]
    run("privacy", "export", anna.id, "--to", tmp_path / "anna", error=Refused)
    run("privacy", "export", "nobody@example.com", error=NotFound)
    assert session.scalar(text("SELECT count(*) FROM forecourt.audit WHERE action = 'privacy export'")) == 2


def test_a_dry_run_says_what_would_go_and_an_erasure_takes_it_and_leaves_the_others(
    session: Session, anna: User
) -> None:
    hers = [car.id for car in session.query(CarListing).filter_by(owner_id=anna.id)]
    places.files().put("incoming/hers", b"a photo")
    failed = text(
        """
        INSERT INTO forecourt.failed (job, queue, error, message, args)
        SELECT 'process_car_images', 'high', 'TimedOut', '', jsonb_build_object('listing_id', id, 'images', ARRAY['incoming/hers'])
        FROM car_listings
        WHERE id = :id
        """
    )
    session.execute(failed, {"id": hers[0]})
    session.commit()
    would = json.loads(run("privacy", "erase", anna.email, "--dry-run", "--json").stdout)
    assert session.query(User).count() == 2
    assert len(archived()) == 8
    session.rollback()
    run("privacy", "erase", anna.email, error=Refused)
    done = json.loads(run("privacy", "erase", anna.email, "--yes", "--json").stdout)
    assert done | {"dry_run": True} == would
    assert done["gone"] == {
        "restored events": 4, "listings": 2, "rows of stats": 6, "events": 2, "photo files": 1, "uploads": 1,
        "notices": 1,        "browsers, webhooks and the like": 1, "refusals of the mailbox": 1, "refused rows of imports": 1,
        "providers": 1, "users": 1, "filed mails": 1,
    }  # fmt: skip
    assert len(done["stays"]) == 1
    assert "1 finished calls name listings by number" in done["stays"][0]
    assert (done["archive"]["events"], done["archive"]["files"]) == (4, 1)
    reap_blobs(session=session)
    session.commit()
    assert list(places.files().keys()) == [OTHERS_PHOTO]
    assert list(Folder(settings().outbox).keys()) == ["omar1.eml"]
    assert not set(archived()) & set(hers)
    assert len(archived()) == 4
    assert all(verify(archive).rows for archive in archives())
    assert [person.name for person in session.query(User)] == ["Omar"]
    assert (events(session), len(stats(session))) == (2, 6)
    left = session.execute(
        text(
            """
            SELECT string_agg(t::text, ' ')
            FROM (
                SELECT to_jsonb(a)::text AS t FROM forecourt.audit AS a
                UNION ALL SELECT to_jsonb(n)::text FROM notifications AS n
                UNION ALL SELECT to_jsonb(p)::text FROM car_providers AS p
                UNION ALL SELECT to_jsonb(e)::text FROM import_errors AS e
            ) AS rows
            """
        )
    ).scalar_one()
    assert "anna" not in left.lower()
    session.rollback()
    assert aggregate_daily_analytics(session=session)["events"] == 2


def test_what_another_table_needs_stays_as_a_row_without_a_name_and_is_named(session: Session, anna: User) -> None:
    session.execute(text("CREATE TABLE invoices (user_id bigint REFERENCES users)"))
    session.execute(text("INSERT INTO invoices VALUES (:id)"), {"id": anna.id})
    session.commit()
    result = run("privacy", "erase", anna.id, "--yes")
    assert f"user {anna.id} stays as a row without a name: " in result.stderr
    assert '"invoices"' in result.stderr
    session.expire_all()
    assert (anna.name, anna.email, anna.phone) == ("erased", None, None)
    assert session.query(CarListing).filter_by(owner_id=anna.id).count() == 0


def test_an_archive_that_is_cut_when_the_process_is_killed_is_whole_and_cut_the_next_time(
    session: Session, anna: User
) -> None:
    before = archived()
    with doomed() as killed:
        for step in (
            "after event_files copy_without",
            "before folder publish",
            "after folder publish",
            "before event_files read",
        ):
            killed("cut:1,2", step)
            assert [archive.contents.rows for archive in archives()] == [8], step
    assert cut_from_archives(session, [1, 2]).events == 4
    session.commit()
    assert archived() == [listing for listing in before if listing not in (1, 2)]
    with doomed() as killed:
        killed("cut:3", "before archive_erasure remove_unfinished")
    assert archive_old_analytics()["events"] == 0, "the next run removes what was replaced"
    assert archived() == [4, 4]
    assert cut_from_archives(session, [4]).events == 2
    [empty] = archives()
    assert verify(empty).rows == 0
    assert restore(empty.path) == {"events": 0, "restored": 0}


def test_two_who_are_erased_at_once_both_leave_the_archive(
    session: Session, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever read the list of files first would look for one that the other has replaced."""
    readers: list[int] = []

    def waits_for_a_lock() -> bool:
        with engine().connect() as connection:
            return bool(
                connection.scalar(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
            )

    def both_have_read() -> list[Archive]:
        found = archives()
        readers.append(1)
        while len(readers) < 2 and not waits_for_a_lock():
            time.sleep(0.01)
        return found

    monkeypatch.setattr(archive_erasure, "archives", both_have_read)

    def cut(listing: int) -> Cut:
        with Session(engine()) as own, own.begin():
            return cut_from_archives(own, [listing])

    with ThreadPoolExecutor() as pool:
        cuts = list(pool.map(cut, [1, 3]))
    assert [(done.events, done.unreadable) for done in cuts] == [(2, []), (2, [])]
    assert archived() == [2, 2, 4, 4]
    assert sum(archive.contents.rows for archive in archives()) == 4


def test_no_event_is_archived_while_its_listing_is_erased(session: Session, anna: User) -> None:
    assert cut_from_archives(session, [1, 2]).events == 4
    assert session.scalar(text("SHOW idle_in_transaction_session_timeout")) == "6h", "reading files takes long"
    event(session, 1, midday(session, 250))
    with ThreadPoolExecutor() as pool:
        archiving = pool.submit(archive_old_analytics)
        wait_until_blocked()
        session.execute(text("DELETE FROM car_listing_analytics WHERE car_listing_id = 1"))
        session.commit()
        assert archiving.result(30)["events"] == 0


def test_a_file_that_cannot_be_read_is_named(session: Session, anna: User) -> None:
    [path] = settings().archive.rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:100])
    result: Any = run("privacy", "erase", anna.id, "--yes", error=Degraded)
    assert path.name in result.stderr
    assert "1 archive files could not be read" in str(result.exception)
