"""Promises of the trash: rows go after their time, files go when nobody uses them, and nothing else
goes.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from showroom import ago, calls, listing, wait_until_blocked
from sqlalchemy import text
from sqlalchemy.orm import Session
from traffic import event, midday, stats

from forecourt.database import engine
from forecourt.marketplace import trash
from forecourt.marketplace.analytics import aggregate_daily_analytics
from forecourt.marketplace.folder import Folder
from forecourt.marketplace.models import CarListing
from forecourt.marketplace.trash import cleanup_soft_deleted, give_up, reap_blobs, reserve
from forecourt.settings import settings


def photo(name: str) -> dict[str, Any]:
    """A stored photo with two variants, as processing leaves it."""
    keys = [f"photos/{name}-1600.webp", f"photos/{name}-400.webp"]
    for key in keys:
        storage().put(key, name.encode())
    return {"key": keys[0], "variants": [{"key": key, "width": 1, "height": 1, "bytes": 1} for key in keys]}


def storage() -> Folder:
    return Folder(settings().storage)


def stored() -> list[str]:
    return list(storage().keys())


def trashed(session: Session, interval: str = "31 days", **columns: Any) -> CarListing:
    return listing(session, deleted_at=ago(session, interval), **columns)


def outbox(session: Session) -> list[str]:
    return list(session.scalars(text("SELECT unnest(keys) AS key FROM blob_deletions ORDER BY key")))


def reap(session: Session) -> dict[str, int]:
    """Run the reaper's waiting calls until there are none, and sum up what they say."""
    total = {"deleted": 0, "spared": 0}
    while waiting := calls(session, "reap_blobs"):
        session.execute(text("DELETE FROM forecourt.ready WHERE job = 'reap_blobs'"))
        for args in waiting:
            for name, count in reap_blobs(**args, session=session).items():
                total[name] += count
    return total


def test_a_listing_that_was_trashed_over_30_days_ago_goes_and_a_younger_one_stays(session: Session) -> None:
    trashed(session, "30 days")
    young, live = trashed(session, "29 days 23 hours"), listing(session)
    counts = cleanup_soft_deleted(session=session)
    assert counts == {"deleted": 1, "stats": 0, "events": 0, "files": 0, "kept": 0}
    left = session.query(CarListing.id).order_by(CarListing.id).all()
    assert [id_ for (id_,) in left] == [young.id, live.id]


def test_its_stats_and_raw_events_go_with_it_and_come_back_no_night(session: Session) -> None:
    gone, live = trashed(session), listing(session)
    for car in (gone, live):
        event(session, car.id, midday(session, 1))
        event(session, car.id, midday(session, 100))
    aggregate_daily_analytics(session=session)
    assert cleanup_soft_deleted(session=session) == {"deleted": 1, "stats": 2, "events": 2, "files": 0, "kept": 0}
    aggregate_daily_analytics(session=session)
    assert {row.car_listing_id for row in stats(session)} == {live.id}


def test_its_photo_files_go_after_it_in_all_their_variants(session: Session) -> None:
    trashed(session, photos=[photo("a"), photo("b")])
    assert cleanup_soft_deleted(session=session)["files"] == 4
    assert len(stored()) == 4
    assert reap(session) == {"deleted": 4, "spared": 0}
    assert stored() == []
    assert outbox(session) == []


def test_a_photo_given_as_a_bare_key_goes_too(session: Session) -> None:
    storage().put("photos/old.webp", b"x")
    trashed(session, photos=["photos/old.webp"])
    cleanup_soft_deleted(session=session)
    reap(session)
    assert stored() == []


def test_a_rolled_back_cleanup_deletes_no_row_and_no_file(session: Session) -> None:
    trashed(session, photos=[photo("a")])
    session.commit()
    cleanup_soft_deleted(session=session)
    session.rollback()
    assert session.query(CarListing).count() == 1
    assert outbox(session) == []
    assert calls(session, "reap_blobs") == []
    assert len(stored()) == 2


@pytest.mark.parametrize("other", ["live", "hidden", "in the trash"])
def test_a_shared_file_is_spared_while_another_listing_uses_it(session: Session, other: str) -> None:
    shared, own = photo("shared"), photo("own")
    trashed(session, photos=[shared, own])
    listing(
        session,
        photos=[shared],
        is_hidden=other == "hidden",
        deleted_at=ago(session, "2 days") if other == "in the trash" else None,
    )
    cleanup_soft_deleted(session=session)
    assert reap(session) == {"deleted": 2, "spared": 2}
    assert stored() == sorted(variant["key"] for variant in shared["variants"])
    assert outbox(session) == []


def test_a_file_that_a_listing_used_once_is_not_spared_for_it(session: Session) -> None:
    car = listing(session, photos=["photos/old.webp"])
    car.photos = ["photos/new.webp"]
    session.flush()
    give_up(session, ["photos/old.webp", "photos/new.webp"])
    assert reap_blobs(session=session) == {"deleted": 1, "spared": 1}


def test_a_file_of_two_doomed_listings_goes_once_with_the_last(session: Session) -> None:
    shared = photo("shared")
    trashed(session, photos=[shared])
    trashed(session, "1 day", photos=[shared])
    cleanup_soft_deleted(session=session)
    assert reap(session) == {"deleted": 0, "spared": 2}
    session.execute(text("UPDATE car_listings SET deleted_at = now() - interval '99 days'"))
    assert cleanup_soft_deleted(session=session)["deleted"] == 1
    assert reap(session) == {"deleted": 2, "spared": 0}


def test_a_reaper_that_was_killed_after_deleting_a_file_finishes_when_it_runs_again(session: Session) -> None:
    trashed(session, photos=[photo("a")])
    cleanup_soft_deleted(session=session)
    session.commit()
    reap_blobs(session=session)
    session.rollback()
    assert len(outbox(session)) == 2
    assert reap_blobs(session=session) == {"deleted": 2, "spared": 0}
    assert outbox(session) == []


def test_a_listing_restored_while_the_cleanup_waits_for_it_is_spared(session: Session) -> None:
    car = trashed(session, photos=[photo("a")])
    car_id = car.id
    session.commit()

    def cleanup() -> dict[str, int]:
        with Session(engine()) as own, own.begin():
            return cleanup_soft_deleted(session=own)

    with ThreadPoolExecutor() as pool:
        session.execute(text("UPDATE car_listings SET deleted_at = NULL"))
        run = pool.submit(cleanup)
        wait_until_blocked()
        session.commit()
        assert run.result(30)["deleted"] == 0
    assert session.get(CarListing, car_id) is not None
    assert outbox(session) == []


def test_a_listing_changed_while_the_cleanup_waits_gives_up_the_photos_it_has_now(session: Session) -> None:
    trashed(session, photos=["photos/old.webp"])
    session.commit()

    def cleanup() -> dict[str, int]:
        with Session(engine()) as own, own.begin():
            return cleanup_soft_deleted(session=own)

    with ThreadPoolExecutor() as pool:
        session.execute(text("""UPDATE car_listings SET photos = '["photos/new.webp"]'"""))
        run = pool.submit(cleanup)
        wait_until_blocked()
        session.commit()
        assert run.result(30)["deleted"] == 1
    assert outbox(session) == ["photos/new.webp"]


def test_a_key_given_up_while_the_reaper_spares_it_is_not_forgotten(session: Session) -> None:
    """The reaper saw the last listing that uses the file; that listing goes before the reaper is
    done.
    """
    trashed(session, photos=["photos/shared.webp"])
    give_up(session, ["photos/shared.webp"])
    session.commit()
    assert reap_blobs(session=session) == {"deleted": 0, "spared": 1}
    with Session(engine()) as own, own.begin():
        cleanup_soft_deleted(session=own)
    session.commit()
    assert outbox(session) == ["photos/shared.webp"]


def test_files_that_are_just_being_attached_to_a_listing_stay_for_a_later_night(session: Session) -> None:
    stays = photo("a")
    keys = [variant["key"] for variant in stays["variants"]]
    give_up(session, keys)
    session.commit()
    with Session(engine()) as uploader:
        reserve(uploader, keys)
        listing(uploader, photos=[stays])
        assert reap_blobs(session=session) == {"deleted": 0, "spared": 0}
        session.commit()
        uploader.commit()
    assert reap_blobs(session=session) == {"deleted": 0, "spared": 2}
    assert stored() == keys


def test_two_reapers_at_once_take_different_files(session: Session) -> None:
    give_up(session, ["photos/a.webp"])
    session.commit()
    assert reap_blobs(session=session) == {"deleted": 1, "spared": 0}
    with Session(engine()) as other:
        assert reap_blobs(session=other) == {"deleted": 0, "spared": 0}


def test_many_files_are_reaped_by_calls_that_follow_each_other(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trash, "BATCH", 3)
    for n in range(7):
        trashed(session, photos=[f"photos/{n}-800.webp", f"photos/{n}-400.webp"])
    cleanup_soft_deleted(session=session)
    assert reap(session) == {"deleted": 14, "spared": 0}
    assert outbox(session) == []


def test_a_key_that_is_no_storage_key_deletes_nothing_and_blocks_nobody(session: Session) -> None:
    outside = settings().var / "secret"
    outside.parent.mkdir(parents=True, exist_ok=True)
    outside.write_text("keep")
    trashed(session, photos=["../secret", "/etc/passwd", photo("a"), {"key": 7}, {"other": "x"}, None])
    cleanup_soft_deleted(session=session)
    reap(session)
    assert outside.read_text() == "keep"
    assert stored() == []
    assert outbox(session) == []


def test_a_night_without_trash_dispatches_nothing(session: Session) -> None:
    listing(session)
    assert cleanup_soft_deleted(session=session)["deleted"] == 0
    assert calls(session, "reap_blobs") == []


def test_files_left_over_from_an_earlier_night_are_tried_again(session: Session) -> None:
    give_up(session, ["photos/a.webp"])
    cleanup_soft_deleted(session=session)
    assert len(calls(session, "reap_blobs")) == 1


def test_negative_days_are_refused_with_words(session: Session) -> None:
    with pytest.raises(ValueError, match="days: expected 0 to 36500, not -1"):
        cleanup_soft_deleted(days=-1, session=session)


def test_a_listing_to_which_a_foreign_row_refers_stays_and_the_others_go(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    doomed = [trashed(session) for _ in range(5)]
    session.execute(text("CREATE TABLE favorites (car_listing_id bigint REFERENCES car_listings)"))
    session.execute(text("INSERT INTO favorites VALUES (:id)"), {"id": doomed[2].id})
    counts = cleanup_soft_deleted(session=session)
    assert (counts["deleted"], counts["kept"]) == (4, 1)
    assert session.scalars(text("SELECT id FROM car_listings")).all() == [doomed[2].id]
    assert f"listing {doomed[2].id} stays in the trash" in caplog.text
    assert 'still referenced from table "favorites"' in caplog.text


def test_a_constraint_that_waits_for_the_commit_is_asked_at_once(session: Session) -> None:
    kept = trashed(session).id
    trashed(session)
    session.execute(text("CREATE TABLE favorites (id bigint REFERENCES car_listings DEFERRABLE INITIALLY DEFERRED)"))
    session.execute(text("INSERT INTO favorites VALUES (:id)"), {"id": kept})
    session.commit()
    assert cleanup_soft_deleted(session=session)["kept"] == 1
    session.commit()
    assert session.scalars(text("SELECT id FROM car_listings")).all() == [kept]


def test_of_a_listing_that_stays_stats_events_and_photos_stay(session: Session) -> None:
    kept = trashed(session, photos=[photo("kept")])
    event(session, kept.id, midday(session, 1))
    session.execute(text("CREATE TABLE favorites (id bigint REFERENCES car_listings)"))
    session.execute(text("INSERT INTO favorites VALUES (:id)"), {"id": kept.id})
    assert cleanup_soft_deleted(session=session) == {"deleted": 0, "stats": 0, "events": 0, "files": 0, "kept": 1}
    assert outbox(session) == []
    assert session.scalar(text("SELECT count(*) FROM car_listing_analytics")) == 1
